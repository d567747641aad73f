//! Words and files that have no business in the tree.

use super::rust::is_word;
use super::tree::files;

/// What nobody leaves behind, each with what to do instead. They are put together here, or this file had them.
const BANNED: [(&str, &str, &str); 13] = [
    ("todo", "!", "write it"),
    ("unimplemented", "!", "write it"),
    ("TO", "DO", "do it, or open an issue"),
    ("FIX", "ME", "fix it, or open an issue"),
    ("X", "XX", "say what is meant"),
    ("dbg", "!", "take it out"),
    ("#[ign", "ore", "a test that does not run proves nothing"),
    ("#[al", "low(", "use #[expect(…, reason = …)]"),
    ("#![al", "low(", "use #[expect(…, reason = …)]"),
    ("/wo", "rk/", "a path of somebody's machine"),
    ("/ro", "ot/", "a path of somebody's machine"),
    ("/ho", "me/", "a path of somebody's machine"),
    ("lorem", " ipsum", "write what is meant"),
];

const TEXTS: [&str; 15] =
    ["rs", "md", "toml", "sql", "html", "js", "mjs", "ts", "css", "py", "sh", "yml", "conf", "snap", ""];

/// Everything else is a stray: a build's output, a download, a log.
const OTHERS: [&str; 6] = ["json", "bin", "txt", "lock", "svg", "gitignore"];

#[test]
fn nothing_unfinished_and_no_machines_path_is_left_behind() {
    let mut read = 0;
    for file in files().iter().filter(|file| TEXTS.contains(&file.extension())) {
        let text = file.text();
        for (start, end, instead) in BANNED {
            let word = format!("{start}{end}");
            for (at, _) in text.match_indices(&word) {
                let line = text[..at].matches('\n').count() + 1;
                assert!(!stands_alone(&text, at, &word), "{}:{line} has {word}: {instead}", file.path);
            }
        }
        read += 1;
    }
    assert!(read > 100, "{read}");
}

/// Three such letters inside a longer word are somebody's base64.
fn stands_alone(text: &str, at: usize, word: &str) -> bool {
    let before = at.checked_sub(1).map(|at| text.as_bytes()[at]);
    let after = text.as_bytes().get(at + word.len()).copied();
    let ends_open = |byte: Option<u8>| !byte.is_some_and(is_word);
    let starts_with_word = word.as_bytes().first().is_some_and(|byte| is_word(*byte));
    let ends_with_word = word.as_bytes().last().is_some_and(|byte| is_word(*byte));
    (!starts_with_word || ends_open(before)) && (!ends_with_word || ends_open(after))
}

#[test]
fn no_stray_file_lies_in_the_tree() {
    for file in files() {
        let extension = file.extension();
        let is_known = TEXTS.contains(&extension) || OTHERS.contains(&extension);
        assert!(is_known, "{} is no file of ours; if it is, list its kind in tidy/words.rs", file.path);
    }
}

/// The numbers of the security requirements: whoever names one means one that exists.
#[test]
fn every_security_requirement_that_is_named_exists() {
    let mut named = 0;
    for file in files().iter().filter(|file| TEXTS.contains(&file.extension())) {
        let text = file.text();
        for after in text.split(concat!("SE", "C-")).skip(1) {
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            let Ok(number) = digits.parse::<u32>() else { continue };
            assert!((1..=111).contains(&number), "{} names requirement {number}", file.path);
            named += 1;
        }
    }
    assert!(named > 100, "{named}");
}

#[test]
fn text_files_end_with_one_line_break_and_have_no_tabs_or_trailing_spaces() {
    for file in files().iter().filter(|file| file.extension() == "rs" || file.extension() == "sql") {
        let text = file.text();
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{} ends oddly", file.path);
        assert!(!text.contains('\r') && !text.contains('\t'), "{} has carriage returns or tabs", file.path);
    }
}
