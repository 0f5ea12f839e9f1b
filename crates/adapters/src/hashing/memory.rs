use argon2::Block;

use maestro_auth_ports::HashError;

/// The Argon2 memory of one lane: one buffer for the usual cost, made when first needed and kept, since fresh pages cost
/// a tenth of a hash.
///
/// A stored hash may demand more than that. It gets a buffer of its own that goes back to the system afterwards; the
/// queue sees to it that only one such buffer exists at a time.
pub(super) struct BlockMemory {
    /// How many blocks the kept buffer has, once it is made.
    kept_len: usize,
    kept: Vec<Block>,
}

impl BlockMemory {
    /// The least address space to take for a passing buffer, touched or not: from 32 MiB on, glibc gives it back to the
    /// system when it is freed, instead of keeping it in a heap that aligned blocks fragment.
    const PASSING_LEN: usize = 40 << 10;

    pub(super) const fn new(kept_len: usize) -> Self {
        Self { kept_len, kept: Vec::new() }
    }

    /// Lends `len` blocks to `compute`.
    pub(super) fn lend<T>(
        &mut self,
        len: usize,
        compute: impl FnOnce(&mut [Block]) -> T,
    ) -> Result<T, HashError> {
        if len > self.kept_len {
            return Ok(compute(&mut allocate(len, Self::PASSING_LEN)?));
        }
        if self.kept.is_empty() {
            self.kept = allocate(self.kept_len, 0)?;
        }
        Ok(compute(&mut self.kept[..len]))
    }
}

/// Allocates `len` blocks in a reservation of at least `reserved`, on huge pages where the system has them.
fn allocate(len: usize, reserved: usize) -> Result<Vec<Block>, HashError> {
    let mut blocks = Vec::new();
    if let Err(error) = blocks.try_reserve_exact(len.max(reserved)) {
        tracing::error!(%error, kib = len, "there is no memory for hashing a password");
        return Err(HashError::Failed);
    }
    // Before the pages are first touched, which is what decides their size.
    advise_huge_pages(&mut blocks);
    blocks.resize(len, Block::new());
    Ok(blocks)
}

/// Asks for huge pages under the reserved part of `blocks`: the hash jumps all over its memory, and with 4 KiB pages it
/// spends 5–10 % of its time on address translation. It is advice: where it fails, small pages do.
#[cfg(target_os = "linux")]
fn advise_huge_pages(blocks: &mut Vec<Block>) {
    use rustix::mm::{Advice, madvise};

    const HUGE_PAGE_BYTES: usize = 2 << 20;

    let reserved = blocks.spare_capacity_mut();
    let reserved_bytes = size_of_val(reserved);
    let start = reserved.as_mut_ptr().cast::<u8>();
    let to_page = start.align_offset(HUGE_PAGE_BYTES);
    let whole_pages = reserved_bytes.saturating_sub(to_page) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    if whole_pages == 0 {
        return;
    }
    let first_page = start.wrapping_add(to_page);
    // SAFETY: the range starts at a page boundary and lies within memory that `blocks` owns and that nothing has
    // initialized yet. MADV_HUGEPAGE changes no content and no mapping, only which pages the kernel backs it with.
    #[expect(
        unsafe_code,
        reason = "no safe interface gives page advice; this is the workspace's only unsafe block"
    )]
    let advised = unsafe { madvise(first_page.cast(), whole_pages, Advice::LinuxHugepage) };
    if let Err(error) = advised {
        tracing::debug!(%error, "hashing goes on without huge pages");
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_: &mut Vec<Block>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_is_kept_and_larger_ones_are_not() {
        let mut memory = BlockMemory::new(4_096);
        let address = |blocks: &mut [Block]| blocks.as_ptr().addr();

        let first = memory.lend(4_096, address).unwrap();
        assert_eq!(memory.lend(100, |blocks| blocks.len()), Ok(100));
        assert_eq!(memory.lend(8_192, |blocks| blocks.len()), Ok(8_192));
        assert_eq!(memory.lend(4_096, address), Ok(first));
        assert_eq!(memory.kept.len(), 4_096);
    }
}
