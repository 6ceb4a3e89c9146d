//! Which tokens an edge accepts. That each is redeemed once is for the log to say.
#![allow(clippy::unwrap_used, reason = "tests")]

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use net_edge::token::{Claims, KeyError, TokenError, TokenPublicKey, TokenSigner, verify};
use protocol::MatchId;
use serde_json::{Value, json};

const NOW: u64 = 1_700_000_000;

fn claims() -> Claims {
    Claims { nonce: [0xab; 16], ..Claims::new(MatchId(7), "ada", NOW) }
}

fn check(token: &str, signer: &TokenSigner, now: u64) -> Result<Claims, TokenError> {
    verify(token, &[signer.public_key()], now as i64 * 1_000)
}

#[track_caller]
fn assert_invalid(result: Result<Claims, TokenError>) {
    assert!(matches!(result, Err(TokenError::Invalid { .. })), "{result:?}");
}

/// Signs whatever is asked for, as another program with the same key would.
fn forge(signer: &TokenSigner, claims: &Value) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    signer.write(&path).unwrap();
    let key = EncodingKey::from_ed_der(&std::fs::read(path).unwrap());
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &key).unwrap()
}

fn honest() -> Value {
    json!({ "aud": "worldlog", "match": 7, "sub": "ada", "jti": "ab".repeat(16), "iat": NOW, "exp": NOW + 60 })
}

#[test]
fn token_says_what_it_was_told() {
    let signer = TokenSigner::generate();
    assert_eq!(check(&signer.sign(&claims()), &signer, NOW), Ok(claims()));
    assert_eq!(check(&forge(&signer, &honest()), &signer, NOW), Ok(claims()), "others may sign too");
    let other = TokenSigner::generate();
    let keys = [other.public_key(), signer.public_key()];
    assert_eq!(verify(&signer.sign(&claims()), &keys, NOW as i64 * 1_000), Ok(claims()), "while keys are exchanged");
}

#[test]
fn token_is_good_from_its_issue_to_its_end() {
    let signer = TokenSigner::generate();
    let token = signer.sign(&claims());
    assert!(check(&token, &signer, NOW - 5).is_ok(), "clocks may differ by 5 s");
    assert_invalid(check(&token, &signer, NOW - 6));
    assert!(check(&token, &signer, NOW + 59).is_ok());
    assert_eq!(check(&token, &signer, NOW + 60), Err(TokenError::Expired { seconds_ago: 0 }));
    assert_eq!(check(&token, &signer, NOW + 90), Err(TokenError::Expired { seconds_ago: 30 }));
}

#[test]
fn token_of_another_key_or_algorithm_is_refused() {
    let signer = TokenSigner::generate();
    assert_invalid(check(&TokenSigner::generate().sign(&claims()), &signer, NOW));
    assert_invalid(verify(&signer.sign(&claims()), &[], NOW as i64 * 1_000));
    // The public key is public: it must not serve as the secret of a symmetric algorithm.
    let shared = EncodingKey::from_secret(&signer.public_key().0);
    assert_invalid(check(
        &jsonwebtoken::encode(&Header::new(Algorithm::HS256), &honest(), &shared).unwrap(),
        &signer,
        NOW,
    ));
    // {"alg":"none"} with the honest claims, and no signature.
    let token = signer.sign(&claims());
    let body = token.split('.').nth(1).unwrap();
    assert_invalid(check(&format!("eyJhbGciOiJub25lIn0.{body}."), &signer, NOW));
}

#[test]
fn token_with_a_changed_byte_is_refused() {
    let signer = TokenSigner::generate();
    let token = signer.sign(&claims());
    let mut refused = 0;
    for place in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'Q' } else { b'A' };
        let result = check(std::str::from_utf8(&changed).unwrap(), &signer, NOW);
        // The last letter of base64 has bits that mean nothing; the library refuses those too.
        assert_invalid(result);
        refused += 1;
    }
    assert_eq!(refused, token.len());
    for end in 0..token.len() {
        assert_invalid(check(&token[..end], &signer, NOW));
    }
    assert_invalid(check(&"x".repeat(4_096), &signer, NOW));
}

#[test]
fn token_that_says_what_it_may_not_is_refused() {
    let signer = TokenSigner::generate();
    let with = |field: &str, value: Value| {
        let mut claims = honest();
        claims[field] = value;
        check(&forge(&signer, &claims), &signer, NOW)
    };
    let without = |field: &str| {
        let mut claims = honest();
        claims.as_object_mut().unwrap().remove(field);
        check(&forge(&signer, &claims), &signer, NOW)
    };
    assert!(with("aud", json!(["others", "worldlog"])).is_ok());
    let wrong = [
        ("aud", json!("others")),
        ("match", json!("7")),
        ("match", json!(-1)),
        ("sub", json!("")),
        ("sub", json!("a".repeat(65))),
        ("jti", json!("ab".repeat(15))),
        ("jti", json!("zz".repeat(16))),
        ("iat", json!(NOW + 6)),
        ("exp", json!(NOW + 61)),
        ("exp", json!(NOW)),
        ("exp", json!(u64::MAX)),
    ];
    for (field, value) in wrong {
        assert_invalid(with(field, value));
    }
    for field in ["aud", "match", "sub", "jti", "iat", "exp"] {
        assert_invalid(without(field));
    }
}

#[test]
fn key_file_is_kept_and_never_replaced_when_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token.key");
    let (made, is_new) = TokenSigner::load_or_generate(&path).unwrap();
    let (kept, is_new_again) = TokenSigner::load_or_generate(&path).unwrap();
    assert!(is_new && !is_new_again);
    assert_eq!(made.public_key(), kept.public_key());
    assert_eq!(made.public_key().to_string().parse::<TokenPublicKey>(), Ok(made.public_key()));

    std::fs::write(&path, b"no key").unwrap();
    assert!(matches!(TokenSigner::load_or_generate(&path), Err(KeyError::Content { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"no key");
}
