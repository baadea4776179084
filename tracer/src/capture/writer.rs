//! Writes a recording as it happens.
//!
//! Whole frames are collected and handed to the kernel together. If the file takes no more, it is
//! cut behind the last frame that is whole: what is there reads.

use std::fs::File;
use std::io::{self, Write};

use super::format::{HEADER, Header, MAGIC, RECORD, SAMPLE, TRAILER, Trailer, VERSION};
use crate::decode::Sample;

/// Bytes collected before they are written.
const BUFFER: usize = 64 << 10;

/// An open recording. The trailer ends it.
#[derive(Debug)]
pub struct Writer {
    file: File,
    /// Bytes of the file up to the last whole frame.
    written: u64,
    /// Whole frames that are not written yet.
    waiting: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Writer {
    /// Writes what stands before the records into an empty file.
    pub(super) fn begin(file: File, header: &Header) -> io::Result<Self> {
        let mut writer = Self {
            file,
            written: 0,
            waiting: Vec::with_capacity(BUFFER),
            ends: Vec::new(),
        };
        writer.waiting.extend_from_slice(MAGIC);
        writer.waiting.extend_from_slice(&VERSION.to_le_bytes());
        writer.frame(HEADER, &serde_json::to_vec(header)?)?;
        writer.flush()?;
        Ok(writer)
    }

    fn frame(&mut self, kind: u32, payload: &[u8]) -> io::Result<()> {
        let len = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.waiting.extend_from_slice(&kind.to_le_bytes());
        self.waiting.extend_from_slice(&len.to_le_bytes());
        self.waiting.extend_from_slice(payload);
        self.ends.push(self.waiting.len());
        if self.waiting.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands everything to the kernel: what happens to this process afterwards does not concern it.
    ///
    /// # Errors
    /// The file takes no more; it ends behind its last whole frame.
    pub fn flush(&mut self) -> io::Result<()> {
        let (mut done, mut failed) = (0, None);
        while let (Some(rest @ [_, ..]), None) = (self.waiting.get(done..), &failed) {
            match self.file.write(rest) {
                Ok(0) => failed = Some(io::ErrorKind::WriteZero.into()),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => failed = Some(e),
            }
        }
        let whole = self.ends.iter().take_while(|end| **end <= done).last();
        self.written += whole.copied().unwrap_or(0) as u64;
        self.waiting.clear();
        self.ends.clear();
        match failed {
            None => Ok(()),
            Some(error) => {
                // a cut frame is passed over by readers too
                let _ = self.file.set_len(self.written);
                Err(error)
            }
        }
    }

    /// Adds a masked record.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn record(&mut self, stored: &[u8]) -> io::Result<()> {
        self.frame(RECORD, stored)
    }

    /// Adds a look at a goroutine.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        self.frame(SAMPLE, &serde_json::to_vec(sample)?)
    }

    /// Bytes of the recording up to now.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.written + self.waiting.len() as u64
    }

    /// Writes the trailer: the segment is whole. The recording ends here unless another begins.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(&mut self, trailer: &Trailer) -> io::Result<()> {
        self.frame(TRAILER, &serde_json::to_vec(trailer)?)?;
        self.flush()
    }

    /// Begins a further segment, behind a trailer.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn segment(&mut self, header: &Header) -> io::Result<()> {
        self.frame(HEADER, &serde_json::to_vec(header)?)?;
        self.flush()
    }
}
