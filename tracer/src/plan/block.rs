//! Ops of one block while it is being made: plain bytes merged into few copies, then what is
//! followed.

use tracer_ebpf::wire::op::COPY;

use super::schema::OpSchema;

/// Most bytes of one COPY op.
pub const MOST_COPY: u64 = 1024;
/// Gaps up to this many bytes are copied too rather than starting another op.
const GAP: u64 = 24;

/// Ops of one block while it is being made.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// (offset, length) of plain bytes.
    scalars: Vec<(u64, u64)>,
    /// Ops that follow something, with offsets from the block's base.
    follow: Vec<OpSchema>,
}

impl Block {
    /// Plain bytes.
    pub fn scalar(&mut self, at: u64, len: u64) {
        self.scalars.push((at, len));
    }

    /// An op that follows something.
    pub fn push(&mut self, op: OpSchema) {
        self.follow.push(op);
    }

    /// How much is in it, to go back to.
    pub fn mark(&self) -> (usize, usize) {
        (self.scalars.len(), self.follow.len())
    }

    /// Takes back what came after a mark.
    pub fn go_back(&mut self, mark: (usize, usize)) {
        self.scalars.truncate(mark.0);
        self.follow.truncate(mark.1);
    }

    /// The block without its plain bytes.
    pub fn without_copies(mut self) -> Self {
        self.scalars.clear();
        self
    }

    /// Ops that follow something.
    pub fn follow(&self) -> &[OpSchema] {
        &self.follow
    }

    /// All ops: copies first, then what is followed, by offset.
    pub fn ops(mut self) -> Vec<OpSchema> {
        self.scalars.sort_unstable();
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (at, len) in self.scalars {
            match runs.last_mut() {
                Some((start, run))
                    if at <= *start + *run + GAP && at + len - *start <= MOST_COPY =>
                {
                    *run = (*run).max(at + len - *start);
                }
                _ => {
                    let (mut at, mut len) = (at, len);
                    while len > MOST_COPY {
                        runs.push((at, MOST_COPY));
                        at += MOST_COPY;
                        len -= MOST_COPY;
                    }
                    runs.push((at, len));
                }
            }
        }
        self.follow.sort_by_key(|o| o.off);
        runs.into_iter()
            .map(|(at, len)| op(COPY, at, narrow(len)))
            .chain(self.follow)
            .collect()
    }
}

/// An op without target.
#[must_use]
pub fn op(kind: u8, at: u64, len: u32) -> OpSchema {
    OpSchema {
        kind,
        flags: 0,
        off: narrow(at),
        len,
        a: 0,
        b: 0,
        c: 0,
    }
}

/// Offsets and lengths are checked to be small where types are read; larger ones could only be
/// refused.
#[must_use]
pub fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
