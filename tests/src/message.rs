//! HTTP/1.1 messages as the harness' own servers read and write them.

use std::io::{BufRead, Read, Write};

use anyhow::{Context, Result, bail};

/// A message: first line, headers and body, unchunked.
#[derive(Debug)]
pub struct Message {
    pub first: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    /// `None`: the other side has closed.
    pub fn head(from: &mut impl BufRead) -> Result<Option<Self>> {
        let mut first = String::new();
        if from.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut message = Self {
            first: first.trim_end().to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                bail!("a head that does not end: {}", message.first);
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) => message
                    .headers
                    .push((name.to_owned(), value.trim().to_owned())),
                None if line.trim_end().is_empty() => return Ok(Some(message)),
                None => bail!("no header: {line:?}"),
            }
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn status(&self) -> Option<u16> {
        self.first.split(' ').nth(1)?.parse().ok()
    }

    fn length(&self) -> Result<Option<u64>> {
        let length = self.header("content-length").map(str::parse);
        length.transpose().context("a length")
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding")
            .is_some_and(|v| v.eq_ignore_ascii_case("chunked"))
    }

    pub fn read_request_body(&mut self, from: &mut impl BufRead) -> Result<()> {
        if self.header("upgrade").is_some() || self.header("expect").is_some() {
            bail!("not for this server: {}", self.first);
        }
        if self.is_chunked() {
            self.body = chunks(from)?;
        } else if let Some(length) = self.length()? {
            from.take(length).read_to_end(&mut self.body)?;
        }
        Ok(())
    }

    /// Gives whether such an answer has no body, whatever its headers say.
    pub fn read_answer_body(&mut self, from: &mut impl BufRead, to_head: bool) -> Result<bool> {
        if to_head || matches!(self.status(), Some(204 | 304)) {
            return Ok(true);
        }
        if self.is_chunked() {
            self.body = chunks(from)?;
        } else if let Some(length) = self.length()? {
            from.take(length).read_to_end(&mut self.body)?;
        } else {
            from.read_to_end(&mut self.body)?;
        }
        Ok(false)
    }

    /// With the length of the body as it is now; `bodiless`: as it came.
    pub fn write(&self, to: &mut impl Write, bodiless: bool) -> Result<()> {
        let mut head = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            let framing = ["content-length", "transfer-encoding"]
                .iter()
                .any(|n| name.eq_ignore_ascii_case(n));
            if bodiless || !framing {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        if !bodiless && (!self.body.is_empty() || self.status().is_some()) {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        to.write_all(head.as_bytes())?;
        to.write_all(&self.body)?;
        to.flush()?;
        Ok(())
    }
}

fn chunks(from: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or("").trim();
        let size = u64::from_str_radix(size, 16).with_context(|| line.clone())?;
        from.take(size).read_to_end(&mut body)?;
        if size == 0 {
            // trailers, up to an empty line
            loop {
                let mut line = String::new();
                if from.read_line(&mut line)? == 0 || line.trim().is_empty() {
                    return Ok(body);
                }
            }
        }
        let mut end = String::new();
        from.read_line(&mut end)?;
    }
}
