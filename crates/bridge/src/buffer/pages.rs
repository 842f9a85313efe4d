//! Large blocks of memory in huge pages.
//!
//! A block of several MiB comes fresh from the kernel, which has a fault for each page of 4 KiB: that costs several times
//! what it takes to fill them.

/// Blocks from this many bytes on are the kernel's own, and given back to it (`isthmus_sandbox::keep_freed_memory`).
const LARGE: usize = 4 * 1024 * 1024;

/// The size of a huge page, or a multiple of it, on all machines that have such.
const HUGE_PAGE: usize = 2 * 1024 * 1024;

/// What is to be allocated for `length` bytes: large blocks are, with what the allocator puts in front of them, whole huge
/// pages, which the kernel then aligns as such.
pub(super) fn roomy(length: usize) -> usize {
    const IN_FRONT: usize = 16;
    if length < LARGE {
        return length;
    }
    (length + IN_FRONT).next_multiple_of(HUGE_PAGE) - IN_FRONT
}

/// Has the kernel give a large block that is about to be filled in huge pages, where it has some. Nothing else changes.
///
/// # Safety
/// `length` bytes at `start` are the caller's.
pub(super) unsafe fn prefer_huge(start: *mut u8, length: usize) {
    #[cfg(target_os = "linux")]
    if length >= LARGE {
        use rustix::mm::{Advice, madvise};
        const PAGE: usize = 4096;
        let before = start.addr() % PAGE;
        // SAFETY: the range is the caller's, but for what the allocator has on its first page; this advice changes neither
        // what is in memory nor what may be done with it. It may be refused.
        let _ = unsafe {
            madvise(
                start.sub(before).cast(),
                (before + length) / PAGE * PAGE,
                Advice::LinuxHugepage,
            )
        };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, length);
}
