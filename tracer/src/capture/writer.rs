//! Writes a recording as it happens.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::format::{HEADER, Header, MAGIC, RECORD, TRAILER, Trailer, VERSION};

/// An open recording. Records go through a buffer; the trailer ends it.
#[derive(Debug)]
pub struct Writer {
    out: BufWriter<File>,
}

impl Writer {
    /// Creates the file, readable by its owner only, and writes the header.
    ///
    /// # Errors
    /// The file cannot be created or written.
    pub fn create(path: &Path, header: &Header) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        let mut writer = Self {
            out: BufWriter::new(file),
        };
        writer.out.write_all(MAGIC)?;
        writer.out.write_all(&VERSION.to_le_bytes())?;
        writer.frame(HEADER, &serde_json::to_vec(header)?)?;
        writer.out.flush()?;
        Ok(writer)
    }

    fn frame(&mut self, kind: u32, payload: &[u8]) -> io::Result<()> {
        let len = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&len.to_le_bytes())?;
        self.out.write_all(payload)
    }

    /// Adds a masked record.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn record(&mut self, stored: &[u8]) -> io::Result<()> {
        self.frame(RECORD, stored)
    }

    /// Makes what was recorded so far readable by others.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes the trailer.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self, trailer: &Trailer) -> io::Result<()> {
        self.frame(TRAILER, &serde_json::to_vec(trailer)?)?;
        self.out.flush()
    }
}
