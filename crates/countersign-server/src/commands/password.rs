//! Where a password comes from: a prompt, or one line of standard input. Never an argument, which other users
//! of the machine can read and the shell remembers.

use std::io::{self, BufRead, IsTerminal, Read};

use countersign::secret::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::exit::Failure;

/// More than any password that is accepted; what is longer is still refused by the rule, with its reason.
const MOST: u64 = 64 * 1024;

/// What `--help` says about it.
pub(super) const HELP: &str = "\
The password is asked for twice, or read as one line from standard input where that is not a terminal.";

/// Asks for a new password.
pub(super) fn read() -> Result<SecretString, Failure> {
    if !io::stdin().is_terminal() {
        return from_line(&mut io::stdin().lock());
    }
    let first = SecretString::from(rpassword::prompt_password("New password: ")?);
    let again = SecretString::from(rpassword::prompt_password("The same again: ")?);
    if countersign::secret::equal(first.expose_secret().as_bytes(), again.expose_secret().as_bytes()) {
        Ok(first)
    } else {
        Err(Failure::Failed("the two passwords differ; nothing was changed".to_owned()))
    }
}

/// One line, without its end and otherwise as it is: blanks may be part of a password.
fn from_line(input: &mut impl BufRead) -> Result<SecretString, Failure> {
    let mut line = Zeroizing::new(Vec::new());
    input.take(MOST).read_until(b'\n', &mut line)?;
    let text = std::str::from_utf8(&line)
        .map_err(|_| Failure::Failed("the password on standard input is not UTF-8".to_owned()))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Failure::Failed("there is no password on standard input".to_owned()));
    }
    Ok(SecretString::from(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_taken_as_it_is_but_for_its_end() {
        for (input, password) in [(" a b \n", " a b "), ("x\r\ny\n", "x"), ("no end", "no end")] {
            assert_eq!(from_line(&mut input.as_bytes()).unwrap().expose_secret(), password);
        }
        for input in [&b"\n"[..], b"", b"\xff\xfe\n"] {
            assert!(from_line(&mut &*input).is_err());
        }
    }
}
