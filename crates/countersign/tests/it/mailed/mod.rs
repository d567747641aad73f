//! What mailed links do: confirm an address, set a forgotten password. And what they don't, whoever opens them.

mod browser;
mod confirm;
mod forget;
mod links;
mod notices;
mod pages;
