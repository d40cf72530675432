//! Purposes, agreements and grants, compiled into column plans.

pub mod document;
