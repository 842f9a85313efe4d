//! How the C heap treats memory that is freed.

/// The most that the heap keeps at its end, and the size from which on a block is returned to the kernel at once, in bytes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: libc::c_int = 4 * 1024 * 1024;

/// Has the C heap keep freed memory of up to 4 MiB for the next use.
///
/// By default glibc returns blocks of 128 KiB and more to the kernel, and memory at the heap's end as well. A body or a text
/// of that size that is made again and again then costs a page fault per 4 KiB each time, many times what the copy costs.
/// Other C libraries are left as they are.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` takes two integers and may be called at any time; refusing it has no effect.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}
