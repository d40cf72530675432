//! HTTP to domain and back.

pub mod problem;
