//! What the five agencies send: the field catalogue, file formats, field types, code tables and rejects.

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
