//! Reads a recording from its beginning to its end, one event at a time. It is untrusted: memory is
//! bounded by the largest frame, and a damaged tail does not cost what is whole before it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use super::Completeness;
use super::format::{
    HEADER, Header, MAGIC, MOST_FRAME, RECORD, SAMPLE, SEGMENTS, TRAILER, Trailer, VERSION,
};
use crate::addr::ImageAddr;
use crate::decode::{Part, Sample};

/// Why a file is no recording that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not a mobytrace recording")]
    Magic,
    #[error("recording format {found} is newer than this mobytrace reads (up to {VERSION})")]
    Newer { found: u32 },
    #[error("recording format {found} does not exist")]
    Version { found: u32 },
    #[error("the recording's header is cut or damaged: {0}")]
    Header(String),
    #[error("failed to read: {0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// The way out, for the `hint:` line.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Newer { .. } => {
                "use the version of mobytrace that wrote it, or a newer one".into()
            }
            Self::Magic | Self::Version { .. } | Self::Header(_) | Self::Io(_) => {
                "give a file written with `mobytrace trace -o FILE`".into()
            }
        }
    }
}

/// What was captured, in order.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "almost every event is a part")]
pub enum Event {
    /// An entry of the kernel's ring buffer.
    Part(Part),
    /// A look at a goroutine.
    Sample(Sample),
}

enum Frame {
    Whole(u32, Vec<u8>),
    End,
    Cut(String),
}

/// The next frame. Where a packed recording cannot be unpacked further it is cut.
fn frame(input: &mut impl Read) -> io::Result<Frame> {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    whole_frame(input).or_else(|error| match error.kind() {
        InvalidData | InvalidInput | UnexpectedEof => {
            let why = format!("it cannot be unpacked to its end: {error}");
            Ok(Frame::Cut(why))
        }
        _ => Err(error),
    })
}

fn whole_frame(input: &mut impl Read) -> io::Result<Frame> {
    let mut head = [0u8; 8];
    let got = fill(input, &mut head)?;
    if got == 0 {
        return Ok(Frame::End);
    }
    if got < head.len() {
        return Ok(Frame::Cut("it is cut in a frame's head".into()));
    }
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (kind, len) = (word(0), word(4));
    if len > MOST_FRAME {
        return Ok(Frame::Cut(format!("a frame claims {len} bytes")));
    }
    let mut frame = input.by_ref().take(u64::from(len));
    let mut payload = Vec::new();
    let got = match kind {
        HEADER | RECORD | SAMPLE | TRAILER => frame.read_to_end(&mut payload)? as u64,
        // nobody looks into it
        _ => io::copy(&mut frame, &mut io::sink())?,
    };
    if got < u64::from(len) {
        return Ok(Frame::Cut("it is cut in the middle of a frame".into()));
    }
    Ok(Frame::Whole(kind, payload))
}

fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match input.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

/// What is known once a recording was read to its end.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// What stands behind the records, if the recording has its end.
    pub trailer: Option<Trailer>,
    /// Why it ends where it should not, or what of it is damaged.
    pub damage: Option<String>,
}

impl Ending {
    /// Names of return addresses in caller stacks, innermost inlined frame first.
    #[must_use]
    pub fn symbols(&self) -> BTreeMap<ImageAddr, Vec<String>> {
        let named = self.trailer.iter().flat_map(|t| &t.symbols);
        named.cloned().collect()
    }

    /// Entries lost in the kernel.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.trailer.as_ref().map_or(0, Trailer::lost)
    }

    /// When collecting ended, monotonic ns; 0: not known.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.trailer.as_ref().map_or(0, |t| t.ended)
    }

    /// Complete, or what is missing.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        let cut = |text| Completeness {
            text,
            records_missing: true,
        };
        match (&self.damage, &self.trailer) {
            (Some(why), _) => cut(format!("incomplete: {why}; what is whole is shown")),
            (None, Some(trailer)) => trailer.completeness(),
            (None, None) => cut("incomplete: no end".into()),
        }
    }

    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damage.is_none()
    }
}

/// A segment of a recording that is being read: what is of one incarnation of the daemon.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    version: u32,
    header: Header,
    ending: Ending,
    /// Nothing more of this segment comes.
    over: bool,
    /// The header of another one, which came in the place of a trailer.
    next: Option<Vec<u8>>,
}

/// Reads a header, of a recording of that version.
fn header(payload: &[u8], version: u32) -> Result<Header, Error> {
    let header: Header =
        serde_json::from_slice(payload).map_err(|e| Error::Header(e.to_string()))?;
    Ok(Header {
        plan: Arc::new(Arc::unwrap_or_clone(header.plan).lifted(version)),
        ..header
    })
}

impl<R: Read> Reader<R> {
    /// Reads what stands before the records.
    ///
    /// # Errors
    /// It is no recording, it is of a newer format, or not even its header is whole.
    pub fn begin(mut input: R) -> Result<Self, Error> {
        let mut start = [0u8; 12];
        if fill(&mut input, &mut start)? < start.len() || !start.starts_with(MAGIC) {
            return Err(Error::Magic);
        }
        let version = u32::from_le_bytes([start[8], start[9], start[10], start[11]]);
        match version {
            1..=VERSION => {}
            0 => return Err(Error::Version { found: version }),
            _ => return Err(Error::Newer { found: version }),
        }
        let header = match frame(&mut input)? {
            Frame::Whole(HEADER, payload) => header(&payload, version)?,
            Frame::Whole(kind, _) => return Err(Error::Header(format!("frame of kind {kind}"))),
            Frame::End => return Err(Error::Header("it is missing".into())),
            Frame::Cut(why) => return Err(Error::Header(why)),
        };
        Ok(Self::of(input, version, header))
    }

    fn of(input: R, version: u32, header: Header) -> Self {
        Self {
            input,
            version,
            header,
            ending: Ending::default(),
            over: false,
            next: None,
        }
    }

    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next event; `None`: there is no more.
    ///
    /// # Errors
    /// The input cannot be read.
    pub fn next_event(&mut self) -> io::Result<Option<Event>> {
        while !self.over {
            let damage = match frame(&mut self.input)? {
                Frame::Whole(RECORD, payload) => match Part::from_stored(&payload) {
                    Ok(part) => return Ok(Some(Event::Part(part))),
                    Err(error) => format!("a record is damaged: {error}"),
                },
                Frame::Whole(SAMPLE, payload) => match serde_json::from_slice(&payload) {
                    Ok(sample) => return Ok(Some(Event::Sample(sample))),
                    Err(error) => format!("a look at a goroutine is damaged: {error}"),
                },
                Frame::Whole(TRAILER, payload) => {
                    self.over = true;
                    match serde_json::from_slice(&payload) {
                        Ok(trailer) => {
                            self.ending.trailer = Some(trailer);
                            break;
                        }
                        Err(error) => format!("its end is damaged: {error}"),
                    }
                }
                Frame::Whole(HEADER, payload) if self.version >= SEGMENTS => {
                    self.over = true;
                    self.next = Some(payload);
                    "a segment has no end".into()
                }
                // later versions may add kinds that can be passed over
                Frame::Whole(_, _) => continue,
                Frame::End => {
                    self.over = true;
                    "it was cut before its end".into()
                }
                Frame::Cut(why) => {
                    self.over = true;
                    why
                }
            };
            self.ending.damage = Some(damage);
        }
        Ok(None)
    }

    /// Passes over what is left; gives what is known at the end.
    ///
    /// # Errors
    /// The input cannot be read.
    pub fn finish(mut self) -> io::Result<Ending> {
        while self.next_event()?.is_some() {}
        Ok(self.ending)
    }

    /// Passes over what is left of this segment. Gives what is known at its end, and the next one
    /// if there is one.
    ///
    /// # Errors
    /// The input cannot be read.
    pub fn next_segment(mut self) -> io::Result<(Ending, Option<Self>)> {
        while self.next_event()?.is_some() {}
        let (mut input, version, mut ending) = (self.input, self.version, self.ending);
        if version < SEGMENTS || (self.next.is_none() && ending.trailer.is_none()) {
            return Ok((ending, None));
        }
        let payload = loop {
            if let Some(payload) = self.next.take() {
                break payload;
            }
            match frame(&mut input)? {
                Frame::Whole(HEADER, payload) => break payload,
                Frame::Whole(_, _) => {}
                Frame::End => return Ok((ending, None)),
                Frame::Cut(why) => {
                    ending.damage = Some(format!("behind this segment: {why}"));
                    return Ok((ending, None));
                }
            }
        };
        match header(&payload, version) {
            Ok(header) => Ok((ending, Some(Self::of(input, version, header)))),
            Err(error) => {
                ending.damage = Some(format!("behind this segment: {error}"));
                Ok((ending, None))
            }
        }
    }
}
