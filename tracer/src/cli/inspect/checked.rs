//! Output about a file that may change while it is read: what was made of a changed file is not
//! written.

use std::io::{self, Write};

use crate::target::Image;

/// Bytes collected before they are written.
const BUFFER: usize = 64 << 10;

/// Hands on only what was read of the file as it was opened.
pub struct Checked<'a> {
    image: &'a Image,
    out: &'a mut dyn Write,
    waiting: Vec<u8>,
}

impl<'a> Checked<'a> {
    pub fn new(image: &'a Image, out: &'a mut dyn Write) -> Self {
        Self {
            image,
            out,
            waiting: Vec::new(),
        }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.image.check().map_err(io::Error::other)?;
        self.out.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

impl Write for Checked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= BUFFER {
            self.hand_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_on()?;
        self.out.flush()
    }
}
