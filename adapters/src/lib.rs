//! What the five agencies send: the field catalogue, file formats, field types, code tables and rejects.
//!
//! | Module | What it is |
//! |---|---|
//! | [`catalogue`] | agency, record type, field; [`public_security`], [`civil_affairs`], [`health`], [`commerce`], [`tax`] declare theirs |
//! | [`layout`] | how a file is written |
//! | [`inflate`], `transcode` | bytes to plain bytes, to UTF-8 |
//! | [`decode`] | bytes in, columns (`columns`) and rejects out |
//! | [`value`], [`code`] | one value of one field; code tables |
//! | [`rules`] | what fields of one record say about each other |
//! | [`operation`] | what a row of a delta is about |
//! | [`reject`] | every reason to leave a record out |
//! | [`sample`] | feeds of people who never were |

pub mod catalogue;
pub mod civil_affairs;
pub mod code;
mod columns;
pub mod commerce;
pub mod decode;
pub mod health;
pub mod inflate;
pub mod layout;
pub mod operation;
pub mod public_security;
pub mod reject;
pub mod rules;
pub mod sample;
pub mod tax;
mod transcode;
pub mod value;
