//! Black-box suites: one binary, modules by subject, each test named as a statement.

mod accepted;
mod cli;
mod crash;
mod extracts;
mod feeds;
mod idempotency;
mod leaks;
mod oracles;
mod people;
mod random;
mod refusals;
mod start;
mod tamper;
mod tls;
