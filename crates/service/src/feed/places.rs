use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use maestro_auth_domain::ClientId;

/// How many wait for news at the moment, and on whose behalf.
#[derive(Default)]
pub(crate) struct Places {
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    /// Only those who have some.
    by_client: HashMap<Option<ClientId>, usize>,
}

/// A place that is given back when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    client: Option<ClientId>,
}

impl Places {
    /// Each holds a connection and some kilobytes.
    pub(crate) const MAX: usize = 1_024;
    pub(crate) const MAX_OF_CLIENT: usize = 64;

    /// A place on behalf of `client`; `None` when there is none for it.
    pub(super) fn take(places: &Arc<Self>, client: Option<ClientId>) -> Option<Place> {
        let mut taken = places.lock();
        let of_client = taken.by_client.get(&client).copied().unwrap_or_default();
        if taken.in_all >= Self::MAX || of_client >= Self::MAX_OF_CLIENT {
            return None;
        }
        taken.in_all += 1;
        taken.by_client.insert(client, of_client + 1);
        Some(Place { places: Arc::clone(places), client })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.in_all -= 1;
        match taken.by_client.get_mut(&self.client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn take(places: &Arc<Places>, client: u128) -> Option<Place> {
        Places::take(places, Some(ClientId::from_uuid(Uuid::from_u128(client))))
    }

    #[test]
    fn a_client_has_so_many_places_and_all_together_so_many() {
        let places = Arc::new(Places::default());
        let mut held = Vec::new();
        for number in 0..(Places::MAX / Places::MAX_OF_CLIENT) as u128 {
            held.extend((0..Places::MAX_OF_CLIENT).map(|_| take(&places, number).expect("a place")));
            assert!(take(&places, number).is_none(), "client {number} has too many");
        }
        assert_eq!(held.len(), Places::MAX);
        assert!(take(&places, 999).is_none(), "there are too many in all");

        held.pop();
        let other = take(&places, 999).expect("the place that was given back");
        assert!(take(&places, 999).is_none());
        drop((held, other));
        let taken = places.lock();
        assert_eq!((taken.in_all, taken.by_client.len()), (0, 0), "nothing stays behind");
    }
}
