//! Many callers want the same thing at the same moment (SEC-49, REL-10, REL-11).

use std::collections::BTreeMap;

use futures_util::future::join_all;
use reqwest::StatusCode;

use crate::support::bounds::is_refused_soon;
use crate::support::{PASSWORD, Server, SignedIn, Storage, claims, code, patiently, registered};

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_refreshes_of_one_token_over_two_instances_leave_one_live_token() {
    let Some(storage) = Storage::postgres().await else { return };
    let instances = [Server::start(&storage, &[]), Server::start(&storage, &[])];
    let spent = registered(&instances[0], "ada@example.com").await.refresh;

    let answers = join_all((0..64).map(|n| instances[n % 2].refresh(&spent))).await;

    let mut successors = Vec::new();
    for answer in answers {
        successors.push(SignedIn::from_answer(answer, StatusCode::OK).await);
    }
    for successor in &successors {
        assert_eq!(claims(&successor.refresh)["ctr"], 2, "every racer gets the one successor");
        assert_eq!(claims(&successor.refresh)["sid"], claims(&spent)["sid"]);
        assert_eq!(instances[1].me(&successor.access).await.status(), StatusCode::OK);
    }
    let next =
        SignedIn::from_answer(instances[1].refresh(&successors[0].refresh).await, StatusCode::OK).await;
    assert_eq!(claims(&next.refresh)["ctr"], 3);

    // Only the successor lived: the token that all racers held is spent for good, and shows that somebody stole it.
    assert_eq!(code(instances[0].refresh(&spent).await).await, "refresh_reused");
    for instance in &instances {
        assert_eq!(instance.refresh(&next.refresh).await.status(), StatusCode::UNAUTHORIZED);
        is_refused_soon(instance, &next.access).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grace_one_of_sixty_four_refreshes_wins_and_the_rest_end_the_session() {
    let Some(storage) = Storage::postgres().await else { return };
    let settings = [("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "0s")];
    let instances = [Server::start(&storage, &settings), Server::start(&storage, &settings)];
    let spent = registered(&instances[0], "ada@example.com").await.refresh;

    let answers = join_all((0..64).map(|n| instances[n % 2].refresh(&spent))).await;

    let (won, lost): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status() == StatusCode::OK);
    assert_eq!(won.len(), 1);
    let mut reused = 0;
    for answer in lost {
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        reused += usize::from(code(answer).await == "refresh_reused");
    }
    assert!(reused >= 1);
    for answer in won {
        let winner = SignedIn::from_answer(answer, StatusCode::OK).await;
        assert_eq!(instances[0].refresh(&winner.refresh).await.status(), StatusCode::UNAUTHORIZED);
        is_refused_soon(&instances[1], &winner.access).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_twenty_four_registrations_of_an_address_wins_in_memory() {
    one_of_twenty_four_wins(&[Server::start(&Storage::memory(), &[])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_twenty_four_registrations_of_an_address_wins_on_sqlite() {
    let storage = Storage::sqlite();
    one_of_twenty_four_wins(&[Server::start(&storage, &[])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_twenty_four_registrations_of_an_address_wins_over_two_instances_on_postgres() {
    let Some(storage) = Storage::postgres().await else { return };
    one_of_twenty_four_wins(&[Server::start(&storage, &[]), Server::start(&storage, &[])]).await;
}

async fn one_of_twenty_four_wins(instances: &[Server]) {
    let spellings = ["grace@example.com", "Grace@Example.com", "  GRACE@EXAMPLE.COM "];
    let attempts = (0..24).map(|n| {
        let instance = &instances[n % instances.len()];
        patiently(move || instance.register(spellings[n % spellings.len()], PASSWORD))
    });

    let mut outcomes = BTreeMap::new();
    let mut winner = None;
    for answer in join_all(attempts).await {
        *outcomes.entry(answer.status().as_u16()).or_insert(0) += 1;
        if answer.status() == StatusCode::CREATED {
            winner = Some(SignedIn::from_answer(answer, StatusCode::CREATED).await);
        } else {
            assert_eq!(code(answer).await, "email_taken");
        }
    }
    assert_eq!(outcomes, BTreeMap::from([(201, 1), (409, 23)]));

    let winner = winner.expect("one 201");
    for instance in instances {
        assert_eq!(instance.me(&winner.access).await.status(), StatusCode::OK);
    }
}
