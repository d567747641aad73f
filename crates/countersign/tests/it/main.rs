//! The service from outside, over a real socket.

mod app;
mod first_principles;
