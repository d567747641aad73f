//! The contract's first three sections, line by line, as the people and programs meet them that it was written for.

mod flow;
mod snapshots;
mod users;
mod authenticate;
mod access_token;
mod forged;
mod profile;
mod refresh;
mod spending;
mod cookies;
mod cross_site;
mod native;
mod revoke;
mod errors;
mod methods;
mod bodies;
mod headers;
