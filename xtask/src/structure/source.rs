//! What a Rust source names: its modules, its `use` declarations, and paths in its code. Read as
//! text.

use std::collections::{BTreeMap, BTreeSet};

/// What one file says.
#[derive(Default)]
pub struct File {
    /// Of its module.
    pub children: BTreeSet<String>,
    /// Names that it takes from elsewhere, with their paths as written.
    pub imports: BTreeMap<String, Vec<String>>,
    /// Everything that it names.
    pub paths: Vec<Vec<String>>,
}

/// Tokens of a text: words, `::` and single marks.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(c) = chars.get(at).copied() {
        let next = chars.get(at + 1).copied();
        let start = at;
        match (c, next) {
            ('/', Some('/')) => at = position(&chars, at, |c| c == '\n'),
            ('/', Some('*')) => {
                while at < chars.len() && chars.get(at..at + 2) != Some(&['*', '/']) {
                    at += 1;
                }
            }
            ('r', Some('"' | '#')) if raw_string(&chars, at).is_some() => {
                at = raw_string(&chars, at).unwrap_or(at);
            }
            ('"', _) => {
                at += 1;
                while at < chars.len() && chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            // a character, not a lifetime
            ('\'', Some('\\')) => at = position(&chars, at + 3, |c| c == '\'') + 1,
            ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => at += 3,
            (':', Some(':')) => {
                found.push("::".to_owned());
                at += 2;
            }
            (c, _) if is_word(c) => {
                at = position(&chars, at, |c| !is_word(c));
                found.push(chars[start..at].iter().collect());
            }
            (c, _) => {
                if !c.is_whitespace() {
                    found.push(c.to_string());
                }
                at += 1;
            }
        }
        at = at.max(start + 1);
    }
    found
}

fn position(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    let rest = chars.get(from..).unwrap_or_default();
    from + rest.iter().position(|c| wanted(*c)).unwrap_or(rest.len())
}

/// Behind the raw string that begins there.
fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars
        .get(at + 1..)?
        .iter()
        .take_while(|c| **c == '#')
        .count();
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', hashes))
        .collect();
    let body = at + 2 + hashes;
    let len = chars
        .get(body..)?
        .windows(end.len())
        .position(|w| w == end)?;
    Some(body + len + end.len())
}

impl File {
    /// Adds what a text says.
    pub fn add(&mut self, text: &str) {
        add(text, self)
    }
}

fn add(text: &str, file: &mut File) {
    let tokens = without_tests(tokens(text));
    let word = |at: usize| tokens.get(at).map_or("", String::as_str);
    for at in 0..tokens.len() {
        if word(at) == "mod" && word(at + 2) == ";" {
            file.children.insert(word(at + 1).to_owned());
        }
    }
    let mut at = 0;
    while at < tokens.len() {
        let before = at.checked_sub(1).map_or("", word);
        let first = word(at);
        if first == "use" && before != "::" {
            let end = at + tokens[at..].iter().position(|t| t == ";").unwrap_or(1);
            let mut tree = Tree {
                tokens: &tokens[at + 1..end],
                at: 0,
                file,
            };
            tree.read(&[]);
            at = end;
        } else if before != "::"
            && word(at + 1) == "::"
            && (matches!(first, "crate" | "self" | "super") || file.children.contains(first))
        {
            let mut path = vec![first.to_owned()];
            while word(at + 1) == "::" && word(at + 2).starts_with(|c: char| c.is_alphabetic()) {
                path.push(word(at + 2).to_owned());
                at += 2;
            }
            file.paths.push(path);
        }
        at += 1;
    }
}

/// Leaves out the items behind `#[cfg(test)]` and the like.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const ATTRIBUTE: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let here = tokens.get(at..at + ATTRIBUTE.len());
        if !here.is_some_and(|t| t.iter().zip(ATTRIBUTE).all(|(a, b)| a == b)) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0u32;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token.as_str() {
                "{" => depth += 1,
                "}" if depth <= 1 => break,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => {}
            }
        }
    }
    kept
}

/// A `use` declaration.
struct Tree<'t> {
    tokens: &'t [String],
    at: usize,
    file: &'t mut File,
}

impl Tree<'_> {
    fn next(&mut self) -> Option<&str> {
        self.at += 1;
        self.tokens.get(self.at - 1).map(String::as_str)
    }

    /// One path, or several in braces; stands behind it then.
    fn read(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        while let Some(token) = self.next() {
            match token {
                "::" => {}
                "{" => loop {
                    self.read(&path);
                    // at the comma or brace that ended it
                    if self.tokens.get(self.at - 1).is_none_or(|t| t == "}") {
                        self.at += 1;
                        return;
                    }
                },
                "," | "}" => break,
                "as" => {
                    let name = self.next().unwrap_or_default().to_owned();
                    self.found(&path, name);
                    self.at += 1;
                    return;
                }
                word => path.push(word.to_owned()),
            }
        }
        if path.len() > prefix.len() {
            let name = match path.last().map(String::as_str) {
                Some("self") => path.get(path.len().saturating_sub(2)).cloned(),
                _ => path.last().cloned(),
            };
            self.found(&path, name.unwrap_or_default());
        }
    }

    fn found(&mut self, path: &[String], name: String) {
        let path: Vec<String> = path
            .iter()
            .enumerate()
            .filter(|(at, word)| *at == 0 || *word != "self")
            .map(|(_, word)| word.clone())
            .collect();
        self.file.imports.insert(name, path.clone());
        self.file.paths.push(path);
    }
}
