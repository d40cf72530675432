//! Black-box suites: one binary, modules by subject, each test named as a statement.

mod accepted;
mod feeds;
mod refusals;
