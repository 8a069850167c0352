//! How WhatsApp asks for credentials, and what it takes for an answer.

use wabridge::sim::fault::{Fault, Faults};
use wabridge::sim::meta::gateway::account::Algorithm;
use wabridge::sim::meta::gateway::{Challenges, User};

use crate::stage::{NUMBER, Stage, USER, account, failed};

fn challenged_by(algorithms: &[Algorithm]) -> User {
    User {
        challenges: Challenges {
            algorithms: algorithms.to_vec(),
            ..Challenges::default()
        },
        ..User::quick()
    }
}

/// dossier 2.7.
#[tokio::test(flavor = "multi_thread")]
async fn the_challenge_is_the_printed_one() {
    let stage = Stage::of(User::quick()).await;
    let mut line = stage.line(USER).await;
    let challenged = line.invite(None).await;
    assert_eq!(challenged.status(), Some(407));
    assert_eq!(challenged.tag_of("To"), Some(line.branch().as_str()));
    for absent in ["Content-Length", "Allow", "X-FB-External-Domain"] {
        assert_eq!(challenged.header(absent), None);
    }
    let challenge = line.challenge.as_ref().unwrap();
    let opaque = challenge.opaque.as_ref().unwrap();
    assert_eq!((challenge.nonce.len(), opaque.len()), (16, 16));
    let (nonce, realm) = (&challenge.nonce, "wa.meta.vc");
    let printed = format!(
        "Digest realm=\"{realm}\",nonce=\"{nonce}\",opaque=\"{opaque}\",algorithm=MD5,qop=\"auth\""
    );
    let header = challenged.header("Proxy-Authenticate");
    assert_eq!(header, Some(printed.as_str()));
    assert_eq!(line.invite_with_credentials(1).await.status(), Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn either_algorithm_and_the_username_with_plus_by_switch() {
    let plus = User {
        challenges: Challenges {
            plus_is_accepted: true,
            ..Challenges::default()
        },
        ..User::quick()
    };
    let both = [Algorithm::Sha256, Algorithm::Md5];
    let digits = NUMBER.trim_start_matches('+');
    for (username, user, status) in [
        (digits, User::quick(), 200),
        (NUMBER, User::quick(), 403),
        (NUMBER, plus, 200),
        (digits, challenged_by(&[Algorithm::Sha256]), 200),
        (digits, challenged_by(&both), 200),
    ] {
        let stage = Stage::of(user).await;
        let mut line = stage.line(USER).await;
        line.username = username.into();
        assert_eq!(line.call().await.status(), Some(status));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_nonce_is_told() {
    let stale = User {
        faults: Faults::from([Fault::StaleNonce]),
        ..User::quick()
    };
    let stage = Stage::of(stale).await;
    let mut line = stage.line(USER).await;
    let again = line.call().await;
    let challenge = again.header("Proxy-Authenticate").unwrap();
    assert!(challenge.ends_with(",stale=true"), "{challenge}");
    assert_eq!(line.invite_with_credentials(1).await.status(), Some(200));
}

/// A nonce is good for further calls with a rising count, or by switch for one call.
#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_is_used_again() {
    let busy = |nonce_lives| {
        let mut user = User::refusing(486);
        user.ring = std::time::Duration::ZERO;
        user.challenges.nonce_lives = nonce_lives;
        user
    };
    let stage = Stage::new(account().with("+1", busy(true)).with("+2", busy(false))).await;
    for (user, again) in [("+1", [403, 486]), ("+2", [407, 407])] {
        let mut first = stage.line(user).await;
        assert_eq!(first.call().await.status(), Some(486));
        for (count, status) in [1, 2].into_iter().zip(again) {
            let mut next = stage.line(user).await;
            next.challenge = first.challenge.clone();
            let response = next.invite_with_credentials(count).await;
            assert_eq!(response.status(), Some(status), "{user} {count}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_follow_from_the_challenge_is_seen() {
    let stage = Stage::of(User::refusing(486)).await;
    let mut line = stage.line(USER).await;
    line.invite(None).await;
    line.cseq += 1;
    line.from = line.from.replace("tag=1", "tag=2");
    line.invite_with_credentials(1).await;
    let report = stage.report(&line.call_id).await;
    assert!(failed(&report, "INVITE with credentials"));
}
