//! Black-box suites: one binary, modules by subject, each test named as a statement.

mod accepted;
mod cli;
mod crash;
mod crash_modes;
mod differences;
mod drop;
mod extracts;
mod feeds;
mod idempotency;
mod layouts;
mod leaks;
mod modes;
mod operator;
mod oracles;
mod people;
mod persons;
mod policies;
mod quality;
mod quotas;
mod random;
mod refusals;
mod rejects;
mod start;
mod tamper;
mod tls;
mod workbooks;
