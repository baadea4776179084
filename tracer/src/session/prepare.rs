//! Everything known before the first byte of kernel work: daemon → binary → plan.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::{Error, Meant};
use super::suggest::close_to;
use crate::addr::{FileOffset, ImageAddr, LoadBias};
use crate::capture;
use crate::decode::Redact;
use crate::gobin::{self, GoBinary};
use crate::plan::{self, Issue, Plan};
use crate::target::{
    Image, Process, Program, Selection, api_path, find, listening_socket, open_connections,
};

/// What is to be traced.
#[derive(Clone, Debug)]
pub struct Wish<'w> {
    pub daemon: Selection,
    /// Where the daemon listens, if the user says so.
    pub socket: Option<PathBuf>,
    /// None, and no functions: profile `list`.
    pub profiles: &'w [plan::Profile],
    pub functions: &'w [String],
    /// Time in layer sizes too, where the profiles have it: that is two records for each container
    /// and request, and room in the ring buffer.
    pub layers: bool,
    /// Whether secrets are hidden in everything that is recorded or shown.
    pub redact: Redact,
}

/// A daemon found, its binary read, its plan made. Nothing is attached.
pub struct Prepared {
    pub process: Process,
    /// What it runs, as far as that can be told.
    program: Option<Program>,
    pub image: Image,
    /// What a recording of this session begins with; the plan is in it.
    pub header: capture::Header,
    pub socket: Option<PathBuf>,
    known: Known,
}

/// What is known of a binary.
#[derive(Clone)]
struct Known {
    plan: Arc<Plan>,
    go_version: String,
    build_id: Option<String>,
    /// Of the file: offset, address, size.
    segments: Vec<(FileOffset, ImageAddr, u64)>,
    /// What may have been meant by patterns that match nothing.
    meant: Vec<Meant>,
}

impl Known {
    fn read(image: &Image, wish: &Wish<'_>) -> Result<Self, Error> {
        let binary = parse_binary(image)?;
        let plan = plan_for(&binary, wish.profiles, wish.functions, wish.layers)?;
        let segments = binary.load_segments();
        Ok(Self {
            plan: Arc::new(plan),
            go_version: binary.version().text.clone(),
            build_id: binary.build_id(),
            segments: segments
                .iter()
                .map(|s| (s.offset, s.vaddr, s.filesz))
                .collect(),
            meant: meant_by(&binary, wish.functions),
        })
    }
}

/// What became of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DaemonState {
    Runs,
    Ended,
    Replaced,
}

/// Parses the binary of an image.
///
/// # Errors
/// It is none that can be read; the error names the file.
pub fn parse_binary(image: &Image) -> Result<GoBinary<'_>, Error> {
    GoBinary::parse_mapped(image.bytes(), Box::new(|| image.release()))
        .map_err(|error| unread(image, error))
}

/// A binary that cannot be read, as an error that names the file.
#[must_use]
pub fn unread(image: &Image, source: gobin::Error) -> Error {
    Error::Binary {
        file: image.shown.clone(),
        source,
    }
}

/// Builds the plan for profiles and extra functions; `layers` as in [`Wish`].
///
/// # Errors
/// There is no plan for this binary.
pub fn plan_for(
    binary: &GoBinary<'_>,
    profiles: &[plan::Profile],
    functions: &[String],
    layers: bool,
) -> Result<Plan, Error> {
    let mut request = plan::PlanRequest::of(profiles, functions);
    request.layers &= layers;
    Ok(plan::build(&request, binary)?)
}

/// Names close to those patterns that match nothing.
fn meant_by(binary: &GoBinary<'_>, patterns: &[String]) -> Vec<Meant> {
    let mut meant = Vec::new();
    for pattern in patterns {
        let found = binary.find_functions(&mut |name| plan::matches(pattern, name));
        if !found.is_empty() {
            continue;
        }
        let all: Vec<String> = binary.functions().map(|f| f.name).collect();
        let names = close_to(pattern, all.iter().map(String::as_str));
        if !names.is_empty() {
            let pattern = pattern.clone();
            meant.push(Meant { pattern, names });
        }
    }
    meant
}

impl Prepared {
    /// Finds the daemon, reads its binary, builds the plan.
    ///
    /// # Errors
    /// There is no such daemon, its binary cannot be read, or there is no plan for it.
    pub fn new(wish: &Wish<'_>) -> Result<Self, Error> {
        Self::of(find(&wish.daemon)?, wish, None)
    }

    /// The same of a daemon that was found. What is known of its binary is taken from `before` if
    /// it runs the same file.
    ///
    /// # Errors
    /// Its binary cannot be read, or there is no plan for it.
    pub fn of(process: Process, wish: &Wish<'_>, before: Option<&Self>) -> Result<Self, Error> {
        let program = Program::of(&process);
        let image = Image::of_process(&process)?;
        let same = before.filter(|before| before.image.is_same_file(&image));
        let known = match same {
            Some(before) => before.known.clone(),
            None => Known::read(&image, wish)?,
        };
        let load_bias = image.load_bias(&process, &known.segments)?;
        image.check()?;
        let socket = wish.socket.clone().or_else(|| listening_socket(&process));
        let mut header = capture::Header::new(
            capture::Daemon {
                pid: process.pid,
                exe: image.shown.clone(),
                go_version: known.go_version.clone(),
                build_id: known.build_id.clone(),
                load_bias,
                version: None,
                socket: socket.as_ref().map(|s| s.display().to_string()),
            },
            Arc::clone(&known.plan),
        );
        header.redact = wish.redact;
        Ok(Self {
            known,
            process,
            program,
            image,
            header,
            socket,
        })
    }

    /// Whether the daemon is still what it was when its binary was read.
    pub(super) fn daemon_state(&self) -> DaemonState {
        let replaced = |program: &Program| program.was_replaced(&self.process);
        if !self.process.is_alive() {
            DaemonState::Ended
        } else if self.program.as_ref().is_some_and(replaced) {
            DaemonState::Replaced
        } else {
            DaemonState::Runs
        }
    }

    /// Connections to the daemon's API that are open now, if that can be known.
    pub(super) fn open_connections(&self) -> Option<usize> {
        let path = api_path(&self.process)?;
        open_connections(&self.process, &path)
    }

    /// What may have been meant by patterns that match nothing.
    pub(super) fn meant(&self) -> &[Meant] {
        &self.known.meant
    }

    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.header.plan
    }

    pub(super) fn load_bias(&self) -> LoadBias {
        self.header.daemon.load_bias
    }

    /// Fails if none of the user's own functions can be traced.
    pub(super) fn require_functions(&self) -> Result<(), Error> {
        let plan = self.plan();
        if plan.functions.iter().any(|f| f.role == plan::Role::Call) {
            return Ok(());
        }
        let why: Vec<String> = plan.issues.iter().map(Issue::text).collect();
        Err(Error::NoFunctions {
            file: self.image.shown.clone(),
            why: why.join("; "),
            meant: self.known.meant.clone(),
        })
    }
}
