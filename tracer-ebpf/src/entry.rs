//! A ring-buffer entry as the machine writes it, and bounded reads of user memory.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user,
};
use tracer_ebpf::wire::limits::{CHUNK, LARGE_DATA, SMALL_DATA};
use tracer_ebpf::wire::record::{Head, Item, Machine};

use crate::maps::BLANK;

/// Room behind the item area, so that a masked position plus the longest item stays inside.
const SLACK: usize = 2 * CHUNK + 64;
pub const SMALL: usize = SMALL_DATA + SLACK;
pub const LARGE: usize = LARGE_DATA + SLACK;

/// One entry; `N` is the item area with slack.
#[repr(C)]
pub struct Entry<const N: usize> {
    pub head: Head,
    pub machine: Machine,
    pub data: [u8; N],
}

/// Masks a value where neither the compiler nor the verifier can lose sight of it: `bound::<1023>(x) <= 1023`.
macro_rules! bound {
    ($value:expr, $mask:expr) => {{
        let mut value: u64 = $value;
        // SAFETY: one instruction that changes this register only.
        unsafe { core::arch::asm!("{0} &= {1}", inout(reg) value, const $mask as i32) };
        value
    }};
}
pub(crate) use bound;

/// A word of kernel memory.
#[inline(always)]
pub fn read_kernel<T: Default>(addr: u64) -> Option<T> {
    let mut value = T::default();
    // SAFETY: the helper writes that many bytes to the value, or fails; it checks where it reads.
    let rc = unsafe {
        bpf_probe_read_kernel(
            (&raw mut value).cast(),
            size_of::<T>() as u32,
            addr as *const c_void,
        )
    };
    (rc == 0).then_some(value)
}

#[inline(always)]
pub fn read_word(addr: u64) -> Option<u64> {
    let mut word = 0u64;
    // SAFETY: the helper writes that many bytes to the value, or fails; it checks where it reads.
    let rc = unsafe { bpf_probe_read_user((&raw mut word).cast(), 8, addr as *const c_void) };
    (rc == 0).then_some(word)
}

/// Two words of user memory, or neither. Both have a value on every path: with two `read_word` the compiler may carry one that was
/// not read through a stack slot that was not written, which the verifier of 5.10 refuses.
#[inline(always)]
pub fn read_words(first: u64, second: u64) -> Option<(u64, u64)> {
    let mut words = core::mem::MaybeUninit::<[u64; 2]>::uninit();
    let to = words.as_mut_ptr().cast::<u64>();
    // one by one: of two zeroes side by side the compiler makes a call of memset
    // SAFETY: both words are the array's.
    unsafe {
        to.write_volatile(0);
        to.add(1).write_volatile(0);
    }
    // SAFETY: the helper writes eight bytes to each word, or fails; it checks where it reads.
    let rc = unsafe {
        bpf_probe_read_user(to.cast(), 8, first as *const c_void)
            | bpf_probe_read_user(to.add(1).cast(), 8, second as *const c_void)
    };
    if rc == 0 {
        // SAFETY: both words were written above.
        let words = unsafe { words.assume_init() };
        Some((words[0], words[1]))
    } else {
        None
    }
}

/// Two words side by side in user memory, in one read.
#[inline(always)]
pub fn read_pair(addr: u64) -> Option<(u64, u64)> {
    let mut words = core::mem::MaybeUninit::<[u64; 2]>::uninit();
    let to = words.as_mut_ptr().cast::<u64>();
    // as in `read_words`
    // SAFETY: both words are the array's.
    unsafe {
        to.write_volatile(0);
        to.add(1).write_volatile(0);
    }
    // SAFETY: the helper writes both words, or fails; it checks where it reads.
    let rc = unsafe { bpf_probe_read_user(to.cast(), 16, addr as *const c_void) };
    if rc == 0 {
        // SAFETY: both words were written above.
        let words = unsafe { words.assume_init() };
        Some((words[0], words[1]))
    } else {
        None
    }
}

/// Copies between kernel memory (entry, map values).
///
/// # Safety
/// `to` may be written to.
#[inline(always)]
pub unsafe fn copy_kernel<T>(to: *mut T, from: *const T) -> bool {
    // SAFETY: the caller's word for `to`; the helper checks where it reads.
    unsafe { bpf_probe_read_kernel(to.cast(), size_of::<T>() as u32, from.cast()) == 0 }
}

#[inline(always)]
pub fn count(counter: &u64) {
    // the atomic add of every kernel (BPF_XADD); the target has no AtomicU64::fetch_add
    // SAFETY: the counter is a word of a map, which every processor adds to in this way only.
    unsafe {
        core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) core::ptr::from_ref(counter), in(reg) 1u64)
    };
}

impl<const N: usize> Entry<N> {
    /// Bytes of the item area without slack.
    pub const DATA: u32 = (N - SLACK) as u32;

    /// Whether one more item of any kind fits.
    #[inline(always)]
    pub fn has_room(&self) -> bool {
        self.machine.pos <= Self::DATA - (CHUNK as u32 + 64)
    }

    #[inline(always)]
    fn at(&mut self, offset: u64) -> *mut u8 {
        let pos = bound!(u64::from(self.machine.pos), LARGE_DATA - 1);
        let pos = if N == SMALL {
            bound!(pos, SMALL_DATA - 1)
        } else {
            pos
        };
        // SAFETY: the masked position lies in the item area, and offsets are shorter than the slack behind it.
        unsafe {
            self.data
                .as_mut_ptr()
                .add(pos as usize)
                .add(offset as usize)
        }
    }

    /// Reads `len` (at most a chunk) bytes of user memory into the payload of the item about to be written.
    #[inline(always)]
    pub fn read_payload(&mut self, len: u64, addr: u64) -> bool {
        let to = self.at(16);
        let len = bound!(len, 2 * CHUNK - 1);
        // SAFETY: the slack behind the item area has room for the longest masked length.
        unsafe { bpf_probe_read_user(to.cast(), len as u32, addr as *const c_void) == 0 }
    }

    /// Puts a word into the payload of the item about to be written.
    #[inline(always)]
    pub fn put_word(&mut self, index: u64, word: u64) {
        // SAFETY: `at` stays in the entry; positions and indexes keep words aligned.
        unsafe { self.at(16 + 8 * index).cast::<u64>().write(word) }
    }

    #[inline(always)]
    pub fn payload_word(&mut self, index: u64) -> u64 {
        // SAFETY: as for `put_word`.
        unsafe { self.at(16 + 8 * index).cast::<u64>().read() }
    }

    /// Clears `len` bytes of the payload of the item about to be written.
    #[inline(always)]
    pub fn clear_payload(&mut self, len: u32) {
        if let Some(blank) = BLANK.get_ptr(0) {
            // SAFETY: `at` stays in the entry, and the blank is longer than any payload.
            unsafe { bpf_probe_read_kernel(self.at(16).cast(), len, blank.cast()) };
        }
    }

    /// Puts half a word into the payload of the item about to be written, at a byte offset.
    #[inline(always)]
    pub fn put_half(&mut self, offset: usize, half: u32) {
        // SAFETY: as for `put_word`; offsets are those of fields of four bytes.
        unsafe { self.at(16 + offset as u64).cast::<u32>().write(half) }
    }

    /// Copies kernel memory into the payload of the item about to be written, at a byte offset.
    #[inline(always)]
    pub fn copy_kernel_bytes(&mut self, offset: usize, len: u32, addr: u64) {
        // SAFETY: `at` stays in the entry; the helper writes so many bytes, or fails.
        unsafe {
            bpf_probe_read_kernel(
                self.at(16 + offset as u64).cast(),
                len,
                addr as *const c_void,
            )
        };
    }

    /// Copies a string of the kernel, cut to `len` bytes with the zero that ends it.
    #[inline(always)]
    pub fn copy_kernel_text(&mut self, offset: usize, len: u32, addr: u64) {
        // SAFETY: `at` stays in the entry; the helper writes at most so many bytes.
        unsafe {
            bpf_probe_read_kernel_str(
                self.at(16 + offset as u64).cast(),
                len,
                addr as *const c_void,
            )
        };
    }

    /// Writes an item's header over its payload and moves on.
    #[inline(always)]
    pub fn emit(&mut self, op: u32, status: u8, flags: u8, len: u64, value: u64) {
        let item = Item {
            op: op as u16,
            status,
            flags,
            len: len as u32,
            value,
        };
        // SAFETY: `at` stays in the entry; items begin at multiples of eight bytes.
        unsafe { self.at(0).cast::<Item>().write(item) }
        self.machine.retried = 0;
        self.machine.pos += 16 + ((len as u32 + 7) & !7);
    }
}
