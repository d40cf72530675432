//! Black-box suites: one binary, modules by subject, each test named as a statement.

mod crash;
mod extracts;
mod feeds;
mod people;
mod random;
mod tamper;
