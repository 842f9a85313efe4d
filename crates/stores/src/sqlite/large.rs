//! Memory for large values.

use bytes::Bytes;
use memmap2::MmapMut;

/// Of so many bytes, or a multiple, and so aligned, memory is of whole huge pages.
const HUGE_PAGE: usize = 2 * 1024 * 1024;

/// A value of `length` bytes that `fill` puts where it stays. Large ones have memory fresh from the kernel, in huge pages
/// where there are some: a fault for each small one costs several times what it takes to fill them.
///
/// # Errors
/// What `fill` says.
pub(super) fn filled<E>(length: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Bytes, E> {
    if length >= HUGE_PAGE / 2
        && let Ok(mut memory) = MmapMut::map_anon(length.next_multiple_of(HUGE_PAGE))
    {
        // Refused by a kernel that has none.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        fill(&mut memory[..length])?;
        return Ok(Bytes::from_owner(memory).slice(..length));
    }
    let mut memory = vec![0; length];
    fill(&mut memory)?;
    Ok(memory.into())
}
