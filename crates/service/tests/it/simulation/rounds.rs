use maestro_auth_ports::{BlacklistCursor, BlacklistPage, StoreResult, TokenBlacklist};

/// Reads a log as slackly as its port allows: a round of pages goes on towards what had been added when its first page was
/// read, also when its reader broke off meanwhile, and tells nothing of what has come since.
pub(super) async fn read(
    log: &dyn TokenBlacklist,
    after: Option<&BlacklistCursor>,
    limit: u32,
) -> StoreResult<BlacklistPage> {
    let (mut place, end_of_round) = match after.and_then(|cursor| cursor.as_str().split_once("..")) {
        Some((place, end)) => (Some(BlacklistCursor::new(place.to_owned())), end),
        None => (after.cloned(), ""),
    };
    let end_of_round = match end_of_round {
        "" => log.read(place.as_ref(), u32::MAX).await?.next,
        end => BlacklistCursor::new(end.to_owned()),
    };
    let mut entries = Vec::new();
    while place.as_ref() != Some(&end_of_round) && entries.len() < limit as usize {
        let page = log.read(place.as_ref(), 1).await?;
        // The last entry of the round may have been forgotten since.
        place = Some(if page.entries.is_empty() { end_of_round.clone() } else { page.next });
        entries.extend(page.entries);
    }
    let is_complete = place.as_ref() == Some(&end_of_round);
    let unfinished =
        place.map_or_else(String::new, |place| format!("{}..{}", place.as_str(), end_of_round.as_str()));
    let next = if is_complete { end_of_round } else { BlacklistCursor::new(unfinished) };
    Ok(BlacklistPage { entries, next, starts_over: false, is_complete })
}
