//! The people of a measurement: signed up and signed in through the service's own API.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Outcome;
use crate::chain::token_of;
use crate::wire::{Answer, parse_head};

const TIME_LIMIT: Duration = Duration::from_secs(30);

/// A signed-up user.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    name: String,
    password: String,
}

/// What a person holds after signing in.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    /// The access token.
    pub(crate) access_token: String,
    /// The refresh token, as the cookie carries it.
    pub(crate) refresh_token: Vec<u8>,
}

/// An answer with its own bytes.
#[derive(Debug)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    head_length: usize,
    status: u16,
}

impl Reply {
    /// The answer as the scripts see one.
    pub(crate) fn answer(&self) -> Answer<'_> {
        let (head, body) = self.bytes.split_at_checked(self.head_length).unwrap_or_default();
        Answer { status: self.status, head, body }
    }
}

/// Sends the bytes of one request on a connection of its own.
///
/// # Errors
/// When the connection breaks or the answer can't be read.
pub(crate) fn ask(address: SocketAddr, request: &[u8]) -> Outcome<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIME_LIMIT))?;
    stream.write_all(request)?;
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(head) = parse_head(&bytes)?
            && bytes.len() >= head.length + head.body_length
        {
            return Ok(Reply { bytes, head_length: head.length, status: head.status });
        }
        match stream.read(&mut part)? {
            0 => return Err("the server closed the connection before it answered".into()),
            count => bytes.extend_from_slice(part.get(..count).unwrap_or_default()),
        }
    }
}

fn expect(reply: &Reply, status: u16, what: &str) -> Outcome<()> {
    if reply.status == status {
        return Ok(());
    }
    let said = String::from_utf8_lossy(reply.answer().body).into_owned();
    Err(format!("{what} was answered with {} {said}", reply.status).into())
}

/// The bytes of a `POST` with a JSON body.
pub(crate) fn post(path: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The bytes of `GET /me` with an access token.
pub(crate) fn get_me(access_token: &str) -> Vec<u8> {
    format!("GET /me HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {access_token}\r\n\r\n")
        .into_bytes()
}

impl Person {
    /// Signs up one person, told from all others of one server by `number`.
    ///
    /// # Errors
    /// When the service does not create the user.
    pub(crate) fn sign_up(address: SocketAddr, number: usize) -> Outcome<Self> {
        let person =
            Self { name: format!("person-{number}"), password: format!("a quiet evening, no. {number}") };
        let reply = ask(address, &post("/users", &person.credentials(&person.password)))?;
        expect(&reply, 201, "a sign-up")?;
        Ok(person)
    }

    /// Signs up people numbered from 0.
    ///
    /// # Errors
    /// As [`Person::sign_up`].
    pub(crate) fn sign_up_many(address: SocketAddr, count: usize) -> Outcome<Vec<Self>> {
        (0..count).map(|number| Self::sign_up(address, number)).collect()
    }

    /// Somebody with the same password, whom the service has come to know in another way.
    pub(crate) fn numbered(&self, number: usize) -> Self {
        Self { name: format!("person-{number}"), password: self.password.clone() }
    }

    fn credentials(&self, password: &str) -> Value {
        json!({ "username": self.name, "password": password })
    }

    /// The bytes of a sign-in with the right password.
    pub(crate) fn right_password(&self) -> Vec<u8> {
        post("/authenticate", &self.credentials(&self.password))
    }

    /// The bytes of a sign-in with a wrong one.
    pub(crate) fn wrong_password(&self) -> Vec<u8> {
        post("/authenticate", &self.credentials("a loud morning, no. 0"))
    }

    /// Signs in.
    ///
    /// # Errors
    /// When the service refuses, or its answer lacks a token.
    pub(crate) fn sign_in(&self, address: SocketAddr) -> Outcome<SignedIn> {
        let reply = ask(address, &self.right_password())?;
        expect(&reply, 200, "a sign-in")?;
        let body: Value = serde_json::from_slice(reply.answer().body)?;
        let access_token =
            body.get("access_token").and_then(Value::as_str).ok_or("no access token")?.to_owned();
        let refresh_token = token_of(&reply.answer()).ok_or("no refresh cookie")?.to_vec();
        Ok(SignedIn { access_token, refresh_token })
    }
}
