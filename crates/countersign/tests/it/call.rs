//! One request as data, so that it can be sent, told, and its answer held against the API's description.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::Value;

use crate::app::{Answer, App};
use crate::documented;

#[derive(Clone)]
pub struct Call<'a> {
    app: &'a App,
    pub method: Method,
    pub path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl<'a> Call<'a> {
    pub fn new(app: &'a App, method: Method, path: &str) -> Self {
        Self { app, method, path: path.to_owned(), headers: Vec::new(), body: None }
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        self.raw_header(name, value.as_bytes())
    }

    pub fn raw_header(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn refresh_cookie(self, token: &str) -> Self {
        self.header("cookie", &format!("refresh_token={token}"))
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    /// A body of no stated type.
    pub fn untyped_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub async fn send(self) -> Answer {
        let answer = Answer::of(self.clone().into_request().send().await.unwrap()).await;
        documented::check(&self.method, &self.path, &answer);
        answer
    }

    pub fn into_request(self) -> reqwest::RequestBuilder {
        let mut request = self.app.request(self.method, &self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        match self.body {
            Some(body) => request.body(body),
            None => request,
        }
    }

    /// The request as text: its line, its headers, its body.
    pub fn told(&self) -> String {
        let mut told = format!("{} {}\n", self.method, self.path);
        for (name, value) in &self.headers {
            writeln!(told, "{name}: {}", String::from_utf8_lossy(value)).unwrap();
        }
        if let Some(body) = &self.body {
            writeln!(told, "\n{}", String::from_utf8_lossy(body)).unwrap();
        }
        told
    }
}

/// All at once, as far as one thread can.
pub async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, place) in running.iter_mut().zip(&mut done) {
            if place.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *place = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
