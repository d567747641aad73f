//! A conversation with the service, told in full: what was asked and what came back, headers included. What differs
//! from run to run (tokens, ids, names of requests, dates) is called by a name that stays the same.

use std::fmt::Write as _;

use crate::app::Answer;
use crate::call::Call;

#[derive(Default)]
pub struct Story {
    text: String,
    names: Vec<(String, String)>,
}

impl Story {
    /// What happens next, in a sentence.
    pub fn say(&mut self, sentence: &str) {
        writeln!(self.text, "## {sentence}\n").unwrap();
    }

    /// Sends the request and tells it and its answer.
    pub async fn ask(&mut self, call: Call<'_>) -> Answer {
        let told = call.told();
        let answer = call.send().await;
        self.learn(&answer);
        let mut headers: Vec<String> = Vec::new();
        for (name, value) in &answer.headers {
            let value = if name == "x-request-id" { "<request id>" } else { value.to_str().unwrap() };
            if !matches!(name.as_str(), "date" | "content-length") {
                headers.push(format!("{name}: {value}"));
            }
        }
        headers.sort();
        let body = match &answer.body {
            serde_json::Value::Null => answer.text.clone(),
            json => serde_json::to_string_pretty(json).unwrap(),
        };
        writeln!(self.text, "{told}\n=> {}\n{}\n\n{body}\n", answer.status, headers.join("\n")).unwrap();
        answer
    }

    /// Calls this text by that name wherever it occurs.
    pub fn name(&mut self, text: &str, name: &str) {
        if !text.is_empty() && !self.names.iter().any(|(known, _)| known == text) {
            self.names.push((text.to_owned(), format!("<{name}>")));
        }
    }

    /// The whole conversation.
    pub fn told(&self) -> String {
        let mut text = self.text.clone();
        for (value, name) in &self.names {
            text = text.replace(value, name);
        }
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        format!("{}\n", lines.join("\n").trim_end())
    }

    fn learn(&mut self, answer: &Answer) {
        let found = [
            (answer.body["access_token"].as_str().map(str::to_owned), "access token"),
            (answer.body["refresh_token"].as_str().map(str::to_owned), "refresh token"),
            (answer.refresh_cookie(), "refresh token"),
            (answer.device_cookie(), "device mark"),
            (answer.body["id"].as_str().map(str::to_owned), "user id"),
        ];
        for (value, kind) in found {
            if let Some(value) = value {
                let sort = format!("<{kind} ");
                let number = 1 + self.names.iter().filter(|(_, name)| name.starts_with(&sort)).count();
                self.name(&value, &format!("{kind} {number}"));
            }
        }
    }
}
