#![allow(clippy::unwrap_used)]

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn spellings_of_one_name_have_one_key() {
    for (key, spellings) in [
        (
            "cn=ada,ou=people,dc=corp,dc=example",
            &[
                "CN=Ada,OU=People,DC=corp,DC=example",
                "cn=ada, ou=people ,dc = corp,dc=example ",
                "cn=ada;ou=people;dc=corp;dc=example",
                "2.5.4.3=Ada,OID.2.5.4.11=People,0.9.2342.19200300.100.1.25=corp,oid.0.9.2342.19200300.100.1.25=example",
                "commonName=Ada,organizationalUnitName=People,domainComponent=corp,domainComponent=example",
                "CN=\"Ada\",OU= \"People\" ,DC=corp,DC=example",
                "CN=#0c03416461,OU=#040650656f706c65,DC=#1604636f7270,DC=#13076578616d706c65",
                "CN=#0C8103416461,OU=People,DC=corp,DC=example",
                "CN=\\41\\64\\61,OU=People,DC=corp,DC=example",
                "CN=  Ada  ,OU=People,DC=corp,DC=example",
                "CN=\\ Ada\\ ,OU=People,DC=corp,DC=example",
            ][..],
        ),
        (
            r"cn=doe\, jane (ext) #7",
            &[r"CN=Doe\, Jane (Ext) #7", r"CN=Doe\2C  Jane\20(Ext) \#7", r#"CN="Doe, Jane (Ext) #7""#],
        ),
        (r"cn=\#hash", &[r"CN=\#hash", r"CN=\23hash", r##"CN="#hash""##]),
        (r#"cn=quo\"te"#, &[r#"CN=quo\"te"#, r"CN=quo\22te", r#"CN="quo\"te""#]),
        (r"cn=back\\slash", &[r"CN=back\\slash", r"CN=back\5Cslash"]),
        (r"cn=lt<gt>\;semi", &[r"CN=lt\<gt\>\;semi", r"CN=lt\3Cgt\3E\3Bsemi", "CN=lt<gt>\\;semi"]),
        (r"cn=a\+b=c", &[r"CN=a\+b=c", r"CN=a\2bb\=c", r"CN=a\2Bb\3Dc"]),
        ("cn=new line", &["CN=new\\0Aline", "CN=new line", "CN=new\nline"]),
        ("cn=a+uid=b,dc=x", &["CN=A+UID=B,DC=x", "uid=b + cn=a, dc=x", "uid=b+cn=a+cn=A,dc=x"]),
        (
            "cn=łukasz żółć",
            &["CN=Łukasz Żółć", r"CN=\C5\81ukasz \C5\BB\C3\B3\C5\82\C4\87", "CN=Łukasz Z\u{307}ół\u{107}"],
        ),
        ("cn=σοφοσ", &["CN=ΣΟΦΟΣ", "CN=σοφος"]),
        ("cn=jose\u{301}".nfc_for_test().as_str(), &["CN=Jose\u{301}", "CN=JOSÉ", "CN=Jos\u{ad}é", "cn=jo\u{200b}sé"]),
        ("cn=a b", &["CN=a\u{a0}b", "CN=a \u{3000} b", "CN=a\tb"]),
        ("cn=,dc=x", &["CN=,DC=x", "CN=\\20,DC=x", "CN=\"\",DC=x"]),
        ("1.2.3=#0101ff", &["OID.1.2.3=#0101FF", "1.2.3=#0101ff "]),
        ("", &["", "  "]),
    ] {
        for spelling in spellings {
            assert_eq!(DnKey::of(spelling).as_str(), key, "{spelling:?}");
        }
    }
}

/// Makes the composed form of a test's own text.
trait Composed {
    fn nfc_for_test(&self) -> String;
}

impl Composed for str {
    fn nfc_for_test(&self) -> String {
        unicode_normalization::UnicodeNormalization::nfc(self).collect()
    }
}

#[test]
fn what_is_no_name_equals_only_itself() {
    for text in [
        "Chime Pro",
        "cn",
        "=x",
        "cn=a,",
        ",cn=a",
        "cn=a,,dc=x",
        "cn=a+",
        "cn=a\\",
        "cn=a\\zz",
        "cn=a\\4",
        "cn=\\ff",
        "cn=\"a",
        "cn=\"a\"b",
        "cn=#",
        "cn=#123",
        "cn=#zz",
        "1..2=x",
        "1.2.=x",
        "c.n=x",
        "-cn=x",
        "c n=x",
        "<GUID=1>;cn=x",
        "cn=a\0b",
        "?cn=a",
    ] {
        let key = DnKey::of(text);
        assert!(!key.is_name(), "{text:?} gave {key}", key = key.as_str());
        assert_eq!(key.as_str(), format!("?{}", text.to_lowercase()));
        assert_eq!(Dn::new(text).rdn_value(), None);
    }
}

#[test]
fn different_names_stay_different() {
    for (one, other) in [
        ("cn=a,dc=x", "cn=a\\,dc=x"),
        ("cn=a+uid=b", "cn=a\\+uid=b"),
        ("cn=ab", "cn=a b"),
        ("cn=groß", "cn=gross"),
        ("cn=e", "cn=é"),
        ("cn=\\ \u{301}x", "cn=\u{301}x"),
        ("cn=\u{b4}x", "cn=\u{301}x"),
        ("cn=#0c0141", "cn=\\#0c0141"),
        ("cn=a", "ou=a"),
        ("cn=a,ou=b,dc=x", "ou=b,cn=a,dc=x"),
    ] {
        assert_ne!(DnKey::of(one), DnKey::of(other), "{one} {other}");
    }
}

#[test]
fn below_means_by_whole_names() {
    let is_below = |name: &str, base: &str| DnKey::of(name).is_below(&DnKey::of(base));
    assert!(is_below("CN=a,OU=b,DC=x", "ou=B, dc=X"));
    assert!(is_below("CN=a,OU=b,DC=x", "DC=x"));
    assert!(is_below("DC=x", ""));
    assert!(is_below(r"CN=a\\,DC=x", "DC=x"));
    assert!(!is_below("DC=x", "DC=x"));
    assert!(!is_below("", ""));
    assert!(!is_below("OU=notb,DC=x", "OU=b,DC=x"));
    assert!(!is_below(r"CN=a\,DC=x", "DC=x"), "the comma is part of the value");
    assert!(!is_below("no name,DC=x", "DC=x"));
    assert!(!is_below("CN=a,DC=x", "no name"));
}

#[test]
fn foreign_principals_are_known_by_their_place() {
    for (text, expected) in [
        ("CN=S-1-5-21-1-2-3-1105,CN=ForeignSecurityPrincipals,DC=ad,DC=test", true),
        ("cn=s-1-5-11, cn=foreignsecurityprincipals, dc=ad", true),
        ("CN=S-1-5-11,CN=ForeignSecurityPrincipalsX,DC=ad", false),
        ("CN=S-1-5-11,OU=Old,CN=ForeignSecurityPrincipals,DC=ad", false),
        ("CN=S-1-Claus,CN=ForeignSecurityPrincipals,DC=ad", false),
        ("CN=alice,CN=ForeignSecurityPrincipals,DC=ad", false),
        ("CN=S-1-5-11", false),
    ] {
        assert_eq!(DnKey::of(text).is_foreign_principal(), expected, "{text}");
    }
}

#[test]
fn the_first_value_reads_as_people_say_it() {
    for (text, expected) in [
        (r"CN=Doe\, Jane (Ext) \#7,OU=People,DC=x", Some("Doe, Jane (Ext) #7")),
        ("CN=Ada  Lovelace ,DC=x", Some("Ada  Lovelace")),
        (r"CN=\ lead,DC=x", Some(" lead")),
        ("CN=#0c03416461", Some("Ada")),
        ("UID=b+CN=a", Some("b")),
        ("1.2.3=#0101ff", None),
        ("", None),
    ] {
        assert_eq!(Dn::new(text).rdn_value().as_deref(), expected, "{text}");
    }
}

/// How one character of a value is written.
#[derive(Clone, Copy, Debug)]
enum Style {
    /// As it is where that is allowed, else with a backslash.
    Bare,
    /// With a backslash where that is allowed.
    Backslash,
    /// In hexadecimal.
    Hex,
}

/// A name as values: RDNs of (index into the types, value).
type Name = Vec<Vec<(usize, String)>>;

const SPELLINGS: [[&str; 4]; 4] = [
    ["cn", "CN", "2.5.4.3", "OID.2.5.4.3"],
    ["ou", "Ou", "oid.2.5.4.11", "organizationalUnitName"],
    ["dc", "DC", "0.9.2342.19200300.100.1.25", "domainComponent"],
    ["x-y", "X-Y", "x-Y", "X-y"],
];

/// Few letters, all that mean something to the syntax, so that equal and nearly equal names come up.
fn value() -> impl Strategy<Value = String> {
    vec(prop::sample::select(vec!['a', 'A', 'b', ' ', ',', '+', '"', '\\', '#', ';', '=', '<', 'é', 'É', '\n']), 0..5)
        .prop_map(|letters| letters.into_iter().collect())
}

fn name() -> impl Strategy<Value = Name> {
    vec(vec((0..SPELLINGS.len(), value()), 1..3), 1..4)
}

/// What a name means, by a second way: sets of (type, words in lower case).
fn meaning(name: &Name) -> Vec<BTreeSet<(usize, Vec<String>)>> {
    let words = |value: &str| value.split_whitespace().map(str::to_lowercase).collect();
    name.iter().map(|rdn| rdn.iter().map(|(kind, value)| (*kind, words(value))).collect()).collect()
}

/// Writes a name in a way that the numbers choose.
fn spell(name: &Name, choices: &[u8]) -> String {
    let mut choices = choices.iter().copied().cycle();
    let mut choose = move |most: u8| choices.next().unwrap_or(0) % most;
    let blank = |choice: u8| if choice == 0 { " " } else { "" };
    let mut out = String::new();
    for (position, rdn) in name.iter().enumerate() {
        if position > 0 {
            out.push(if choose(4) == 0 { ';' } else { ',' });
        }
        let turned = choose(2) == 0;
        for index in 0..rdn.len() {
            let (kind, value) = &rdn[if turned { rdn.len() - 1 - index } else { index }];
            out.push_str(if index > 0 { "+" } else { "" });
            out.push_str(blank(choose(3)));
            out.push_str(SPELLINGS[*kind][usize::from(choose(4))]);
            out.push_str(blank(choose(3)));
            out.push('=');
            out.push_str(blank(choose(3)));
            match choose(5) {
                0 => {
                    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
                    out.push_str(&format!("#0c{:02x}{hex}", value.len()));
                }
                1 => {
                    out.push_str(&format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")));
                }
                _ => {
                    for (place, letter) in value.chars().enumerate() {
                        let style = [Style::Bare, Style::Backslash, Style::Hex][usize::from(choose(3))];
                        out.push_str(&spell_letter(letter, place == 0, style));
                    }
                }
            }
            out.push_str(blank(choose(3)));
        }
    }
    out
}

fn spell_letter(letter: char, is_first: bool, style: Style) -> String {
    let hex = || letter.to_string().bytes().map(|byte| format!("\\{byte:02X}")).collect();
    let must = matches!(letter, ',' | '+' | '"' | '\\' | ';') || (is_first && matches!(letter, '#' | ' '));
    match style {
        Style::Hex => hex(),
        Style::Backslash if ",+\"\\#;=< ".contains(letter) => format!("\\{letter}"),
        Style::Bare | Style::Backslash if must => format!("\\{letter}"),
        Style::Bare | Style::Backslash => letter.to_string(),
    }
}

proptest! {
    #[test]
    fn any_spelling_of_a_name_gives_its_key(
        name in name(),
        one in vec(any::<u8>(), 1..40),
        other in vec(any::<u8>(), 1..40),
    ) {
        let (one, other) = (DnKey::of(&spell(&name, &one)), DnKey::of(&spell(&name, &other)));
        prop_assert!(one.is_name());
        prop_assert_eq!(one, other);
    }

    #[test]
    fn keys_are_equal_when_names_are_and_not_else(a in name(), b in name(), choices in vec(any::<u8>(), 1..40)) {
        let keys = (DnKey::of(&spell(&a, &choices)), DnKey::of(&spell(&b, &choices)));
        prop_assert_eq!(keys.0 == keys.1, meaning(&a) == meaning(&b));
    }

    #[test]
    fn a_key_is_its_own_key(name in name(), choices in vec(any::<u8>(), 1..40)) {
        let key = DnKey::of(&spell(&name, &choices));
        prop_assert_eq!(&DnKey::of(key.as_str()), &key);
    }

    #[test]
    fn letters_of_all_scripts_settle_in_one_step(value in "\\PC{0,12}") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let key = DnKey::of(&format!("cn=\"{quoted}\",dc=x"));
        prop_assert!(key.is_name());
        prop_assert_eq!(&DnKey::of(key.as_str()), &key);
        prop_assert!(key.is_below(&DnKey::of("dc=x")));
    }

    #[test]
    fn the_quick_way_and_the_thorough_way_agree(text in "(CN|ou|uid|sn2|1)=[A-Za-c ,=#+<.-]{0,8}(,[dD][cC]=[x \\\\Y]{0,3}){0,2}") {
        if let Some(key) = plain(&text) {
            prop_assert_eq!(Some(key.as_str().to_owned()), thorough(&text));
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>(), syntax in "[a=,+;\"\\\\#0F .\u{301}é]{0,20}") {
        for text in [text, syntax] {
            let dn = Dn::new(&text);
            let again = Dn::new(dn.key().as_str());
            prop_assert!(!dn.key().is_name() || again.key() == dn.key());
            prop_assert!(dn.rdn_value().is_none() || dn.key().is_name());
            prop_assert!(!dn.key().is_below(&dn.key()));
        }
    }
}
