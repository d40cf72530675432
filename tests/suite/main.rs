//! Black-box suites: one binary, modules by subject, each test named as a statement.

mod accepted;
mod cli;
mod crash;
mod drop;
mod extracts;
mod feeds;
mod idempotency;
mod judges;
mod layouts;
mod leaks;
mod log;
mod modes;
mod operator;
mod oracles;
mod people;
mod policies;
mod quality;
mod quotas;
mod random;
mod refusals;
mod rejects;
mod start;
mod stopped;
mod tamper;
mod tls;
mod workbooks;
