//! Bounds that the kernel programs rely on; the verifier sees them as constants.

/// Words in a record's register file: Go integer registers, then the saved words of the entry.
pub const REG_WORDS: usize = 24;
/// Go integer argument registers: 9 on amd64, 16 on arm64.
pub const GO_INT_REGS: usize = 16;
/// First of the four words that an entry site saved for its return site (`Site::save_regs`).
pub const SAVED_BASE: usize = 16;
/// Number of saved words.
pub const SAVED_WORDS: usize = 4;
/// Word of the register file that says how many hits of this session were lost before this one, at any site. (Recordings made
/// before it was used have 0 there.)
pub const LOST_WORD: usize = SAVED_BASE + SAVED_WORDS;
/// Deepest nesting of frames of the capture machine.
pub const FRAMES: usize = 16;
/// Most bytes that one item copies at once; longer values continue in further items.
pub const CHUNK: usize = 1024;
/// Item bytes of a small entry (a power of two).
pub const SMALL_DATA: usize = 4096;
/// Item bytes of a large entry (a power of two).
pub const LARGE_DATA: usize = 32768;
/// Return addresses kept of the caller stack.
pub const STACK_DEPTH: usize = 16;
/// Entries that one hit may fill (the kernel allows 33 tail calls in a row).
pub const MAX_PARTS: u32 = 32;
/// Machine steps of one program run, in programs that loop with `bpf_loop`.
pub const STEPS_LOOP: u32 = 16384;
/// Machine steps of one program run, in programs for kernels without `bpf_loop`.
pub const STEPS_BOUNDED: u32 = 32;
/// Entries of the op table.
pub const MAX_OPS: u32 = 8192;
/// Entries of the map geometry table.
pub const MAX_MAPS: u32 = 512;
/// Entries of the site table.
pub const MAX_SITES: u32 = 1024;
/// Entries of the dynamic type table.
pub const MAX_DYNTYPES: u32 = 4096;
/// Traced processes at the same time.
pub const MAX_TARGETS: u32 = 16;
/// Calls in flight that wait for their return with saved words.
pub const MAX_SAVED: u32 = 16384;
/// Bytes of a task_struct that are searched for the thread pointer; the real ones end before.
pub const TASK_BYTES: usize = 16384;
/// Ring buffer size in bytes.
pub const RING_BYTES: u32 = 32 << 20;
