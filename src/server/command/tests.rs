#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::model::Timestamp;
use crate::server::desk::{Caller, Desk, DeskError};
use crate::store::{Book, DiskBook, Profile, Refusal, RefusalCode, User};
use crate::wire::Exception;
use proptest::prelude::*;
use serde_json::json;

fn corp() -> AccountId {
    AccountId::parse("corp").unwrap()
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn command(value: serde_json::Value) -> Command {
    serde_json::from_value(value).unwrap()
}

/// Everything that a book says of itself.
fn all_of(book: &Book) -> Vec<(Profile, Vec<User>)> {
    book.accounts().map(|account| (account.profile().clone(), account.users().cloned().collect())).collect()
}

/// A book at which commands are given as the desk does it.
#[derive(Default)]
struct Office {
    book: Book,
    given: usize,
    texts: Vec<String>,
}

impl Office {
    fn ask(&mut self, command: &Command) -> Result<Answer, Refusal> {
        self.given += 1;
        let ids = (0..PEOPLE_MAX).map(|place| format!("u{:03}-{place:02}", self.given)).collect();
        let token = format!("token{}", self.given);
        let fresh = Fresh { ids, token, secret: [7; 32], texts: self.texts.clone(), log: Vec::new() };
        let at = Timestamp::from_second(1_800_000_000 + i64::try_from(self.given).unwrap()).unwrap();
        let answer = command.perform(&mut self.book, at, &fresh);
        let changed = self.book.drain();
        if answer.is_err() {
            self.book.put_back(changed);
        } else {
            assert!(changed.is_empty() || !command.is_read_only(), "{command:?} is said to change nothing");
        }
        answer
    }

    fn gives(&mut self, value: serde_json::Value) -> Answer {
        let command = command(value);
        self.ask(&command).unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"))
    }

    fn refuses(&mut self, value: serde_json::Value) -> String {
        self.ask(&command(value)).unwrap_err().to_string()
    }

    fn with_team() -> Self {
        let mut office = Self::default();
        office.gives(json!({"command":"account_create","name":"Corp","id":"corp"}));
        office
    }

    /// The team has verified its domain.
    fn with_enterprise() -> Self {
        let mut office = Self::with_team();
        office.gives(json!({"command":"domain_claim","account":"corp","domain":"Corp.example "}));
        office.texts = vec!["seatstore-verification=token2".to_owned()];
        office.gives(json!({"command":"domain_verify","account":"corp","domain":"CORP.example"}));
        office
    }
}

fn account_of(answer: Answer) -> AccountView {
    let Answer::Account(account) = answer else { panic!("{answer:?}") };
    *account
}

fn batch_of(answer: Answer) -> (Vec<UserView>, Vec<Failure>) {
    let Answer::Batch { users, failed } = answer else { panic!("{answer:?}") };
    (users, failed)
}

#[test]
fn a_domain_is_verified_by_what_the_dns_shows_and_by_nothing_else() {
    let mut office = Office::with_team();
    let verify = json!({"command":"domain_verify","account":"corp","domain":"corp.example"});
    assert!(office.refuses(verify.clone()).contains("has no claim on corp.example: claim it first"));
    let Answer::Domain(domain) =
        office.gives(json!({"command":"domain_claim","account":"corp","domain":"corp.example"}))
    else {
        panic!("no domain")
    };
    let record = domain.record.unwrap();
    assert_eq!(domain.state, DomainState::Claimed);
    for texts in [vec![], vec![format!("{record}x")], vec!["seatstore-verification=".to_owned()]] {
        office.texts = texts;
        assert!(office.refuses(verify.clone()).contains(&format!("does not show the TXT record \"{record}\"")));
    }
    office.texts = vec!["v=spf1 -all".to_owned(), record];
    let Answer::Domain(domain) = office.gives(verify.clone()) else { panic!("no domain") };
    assert_eq!(domain.state, DomainState::Verified);
    assert!(office.refuses(verify).contains("verified already"));
    let account = account_of(office.gives(json!({"command":"account_show","account":"corp"})));
    assert_eq!(account.kind, "EnterpriseLWA");
}

#[test]
fn an_invited_person_costs_nothing_until_acceptance() {
    let mut office = Office::with_team();
    let invite = json!({"command":"user_invite","account":"corp","emails":["a@corp.example","b@corp.example"]});
    let (users, failed) = batch_of(office.gives(invite.clone()));
    assert!(failed.is_empty());
    assert!(users.iter().all(|user| user.status == UserStatus::Invited && user.mail.as_deref() == Some("due")));
    let account = account_of(office.gives(json!({"command":"account_show","account":"corp"})));
    assert_eq!((account.invited, account.billable), (2, 0));

    let link = |office: &mut Office| match office
        .gives(json!({"command":"user_link","account":"corp","who":"a@corp.example"}))
    {
        Answer::Link { user: _, path } => path,
        other => panic!("{other:?}"),
    };
    let first = link(&mut office);
    assert!(first.starts_with("/invitations/corp/u002-00/"), "{first}");
    office.gives(invite);
    assert_eq!(link(&mut office), first, "nobody is asked again without a word");
    office.gives(json!({"command":"user_invite","account":"corp","emails":["a@corp.example"],"again":true}));
    assert_ne!(link(&mut office), first, "the old link is void");

    office.gives(json!({"command":"user_accept","account":"corp","who":"A@corp.example"}));
    let account = account_of(office.gives(json!({"command":"account_show","account":"corp"})));
    assert_eq!((account.invited, account.billable), (1, 1));
    assert!(office.refuses(json!({"command":"user_link","account":"corp","who":"u002-00"})).contains("no pending"));
    let Answer::SignIn { allowed, licence, .. } = office.gives(json!({"command":"sign_in","email":"a@corp.example"}))
    else {
        panic!("no answer")
    };
    assert_eq!((allowed, licence), (true, Some(Tier::new("Plus"))));
}

#[test]
fn of_several_each_is_granted_or_refused_alone() {
    let mut office = Office::with_enterprise();
    office.gives(json!({"command":"account_connect_directory","account":"corp"}));
    office.gives(json!({"command":"user_create","account":"corp","email":"a@corp.example","licence":"Pro"}));
    let suspend = json!({"command":"user_suspend","account":"corp","who":["a@corp.example","nobody","b@corp.example"]});
    let (users, failed) = batch_of(office.gives(suspend));
    assert_eq!(users.iter().map(|user| user.status).collect::<Vec<_>>(), [UserStatus::Suspended]);
    assert_eq!(failed.iter().map(|each| each.who.as_str()).collect::<Vec<_>>(), ["nobody", "b@corp.example"]);
    assert!(failed.iter().all(|each| each.code == "NotFound" && each.message.starts_with("there is no user ")));
    let account = account_of(office.gives(json!({"command":"account_show","account":"corp"})));
    let pro = account.licences.iter().find(|each| each.licence == Tier::new("Pro")).unwrap();
    assert_eq!((pro.active, pro.suspended, account.billable), (0, 1, 0));
    let remove = json!({"command":"user_remove","account":"corp","who":["a@corp.example"]});
    assert_eq!(batch_of(office.gives(remove)).1[0].code, "Forbidden");
}

#[test]
fn who_is_gone_is_shown_as_before() {
    let mut office = Office::with_team();
    office.gives(json!({"command":"user_invite","account":"corp","emails":["a@corp.example"]}));
    let withdraw = json!({"command":"user_withdraw","account":"corp","who":["a@corp.example","a@corp.example"]});
    let (users, failed) = batch_of(office.gives(withdraw));
    assert_eq!((users.len(), failed.len()), (1, 1));
    assert_eq!(users[0].email, email("a@corp.example"));
}

#[test]
fn lists_go_on_where_they_ended() {
    let mut office = Office::with_team();
    let many = LINES_MAX + 7;
    for chunk in (0..many).collect::<Vec<_>>().chunks(PEOPLE_MAX) {
        let emails: Vec<String> = chunk.iter().map(|number| format!("p{number}@d{}.example", number % 2)).collect();
        office.gives(json!({"command":"user_invite","account":"corp","emails":emails}));
    }
    for (filter, wanted) in [
        (json!({}), many),
        (json!({"domain":"D1.example"}), many / 2),
        (json!({"status":"invited"}), many),
        (json!({"status":"active"}), 0),
        (json!({"licence":"Pro"}), 0),
    ] {
        let (mut seen, mut after) = (std::collections::BTreeSet::new(), None::<String>);
        loop {
            let mut value = json!({"command":"user_list","account":"corp","after":after});
            value.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
            let Answer::Users { users, next } = office.gives(value) else { panic!("no users") };
            assert!(users.len() <= LINES_MAX);
            seen.extend(users.into_iter().map(|user| user.id));
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), wanted, "{filter}");
    }
}

#[test]
fn the_log_is_filtered_and_goes_on() {
    let entry = |account: &str, address: &str| Entry {
        at: Timestamp::UNIX_EPOCH,
        by: "key".to_owned(),
        operation: "InviteUsers".to_owned(),
        account: account.to_owned(),
        changes: vec![crate::store::EntryChange {
            kind: "user".to_owned(),
            id: format!("id-{address}"),
            email: Some(address.to_owned()),
            before: serde_json::Value::Null,
            after: json!({}),
        }],
    };
    let log: Vec<(u64, Entry)> =
        vec![(9, entry("corp", "a@b.cd")), (8, entry("other", "a@b.cd")), (7, entry("corp", "x@b.cd"))];
    for (filter, numbers, next) in [
        (json!({}), vec![9, 8, 7], Some(7)),
        (json!({"most":1}), vec![9], Some(9)),
        (json!({"account":"corp"}), vec![9, 7], Some(7)),
        (json!({"account":"corp","user":"A@B.cd"}), vec![9], Some(7)),
        (json!({"user":"id-x@b.cd"}), vec![], Some(7)),
        (json!({"account":"nobody's"}), vec![], Some(7)),
    ] {
        let mut value = json!({"command":"audit"});
        value.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        let fresh = Fresh { log: log.clone(), ..Fresh::default() };
        let answer = command(value).perform(&mut Book::default(), Timestamp::UNIX_EPOCH, &fresh).unwrap();
        let Answer::Log { entries, next: on } = answer else { panic!("{answer:?}") };
        assert_eq!(entries.iter().map(|line| line.number).collect::<Vec<_>>(), numbers, "{filter}");
        assert_eq!(on, next, "{filter}");
    }
}

#[test]
fn a_command_that_is_misspelt_is_none() {
    for value in [
        json!({"command":"account_shows","account":"corp"}),
        json!({"command":"account_show"}),
        json!({"command":"account_show","account":"corp","acount":"x"}),
        json!({"command":"account_show","account":" corp"}),
        json!({"command":"user_invite","account":"corp","emails":["nobody"]}),
        json!({"account":"corp"}),
    ] {
        assert!(serde_json::from_value::<Command>(value.clone()).is_err(), "{value}");
    }
}

fn commands() -> impl Strategy<Value = Command> {
    let account = || prop_oneof![4 => Just("corp"), 1 => Just("other")];
    let address = || prop::sample::select(vec!["a@corp.example", "b@corp.example", "c@other.example"]);
    let who = || prop_oneof![address().prop_map(str::to_owned), Just("u002-00".to_owned()), Just("nobody".to_owned())];
    let several = || prop::collection::vec(who(), 0..4);
    let domain = || prop::sample::select(vec!["corp.example", "other.example", "no domain"]);
    let licence = || prop::sample::select(vec!["Basic", "Pro", "Gold", ""]);
    let on_one = prop::sample::select(vec!["user_show", "user_link", "user_accept", "user_sign_out"]);
    let on_several = prop::sample::select(vec!["user_suspend", "user_activate", "user_remove", "user_withdraw"]);
    let on_domain = prop::sample::select(vec!["domain_claim", "domain_verify", "domain_release", "domain_unclaim"]);
    let on_account = prop::sample::select(vec![
        "account_show",
        "account_connect_directory",
        "account_delete",
        "account_restore",
        "domain_list",
        "user_list",
    ]);
    let with_licence = prop::sample::select(vec!["account_support", "account_default_licence"]);
    let kind = prop::sample::select(vec!["enterpriseoidc", "Team", "EnterpriseLWA", "no kind"]);
    prop_oneof![
        account().prop_map(|id| json!({"command":"account_create","name":"N","id":id})),
        prop::sample::select(vec!["", "New name"])
            .prop_map(|name| json!({"command":"account_rename","account":"corp","name":name})),
        (on_account, account()).prop_map(|(command, account)| json!({"command":command,"account":account})),
        (with_licence, account(), licence())
            .prop_map(|(command, account, licence)| json!({"command":command,"account":account,"licence":licence})),
        (account(), kind).prop_map(|(account, kind)| json!({"command":"account_kind","account":account,"kind":kind})),
        (on_domain, account(), domain())
            .prop_map(|(command, account, domain)| json!({"command":command,"account":account,"domain":domain})),
        (account(), prop::collection::vec(address(), 0..4), any::<bool>()).prop_map(|(account, emails, again)| {
            json!({"command":"user_invite","account":account,"emails":emails,"again":again})
        }),
        (on_one, account(), who())
            .prop_map(|(command, account, who)| json!({"command":command,"account":account,"who":who})),
        (on_several, account(), several())
            .prop_map(|(command, account, who)| json!({"command":command,"account":account,"who":who})),
        (account(), several(), licence()).prop_map(|(account, who, licence)| {
            json!({"command":"user_assign","account":account,"who":who,"licence":licence})
        }),
        address().prop_map(|email| json!({"command":"user_register","email":email})),
        (address(), licence()).prop_map(|(email, licence)| {
            json!({"command":"user_create","account":"corp","email":email,"licence":licence})
        }),
        address().prop_map(|email| json!({"command":"user_device","account":"corp","name":"D","email":email})),
        (who(), address())
            .prop_map(|(who, email)| json!({"command":"user_rename","account":"corp","who":who,"email":email})),
        address().prop_map(|email| json!({"command":"sign_in","email":email})),
    ]
    .prop_map(command)
}

proptest! {
    /// Whatever is asked: a refusal leaves nothing behind, what only reads changes nothing, who is named failed is as
    /// before, and commands and answers survive the wire.
    #[test]
    fn a_refused_command_changes_nothing(commands in prop::collection::vec(commands(), 1..40)) {
        let mut office = Office::with_team();
        // The DNS shows whatever may be asked for.
        office.texts = (0..50).map(|number| format!("seatstore-verification=token{number}")).collect();
        for command in commands {
            let text = serde_json::to_string(&command).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Command>(&text).unwrap(), &command);
            let before = all_of(&office.book);
            match office.ask(&command) {
                Err(_) => prop_assert_eq!(&before, &all_of(&office.book), "{:?}", command),
                Ok(answer) => {
                    let text = serde_json::to_string(&answer).unwrap();
                    prop_assert_eq!(&serde_json::from_str::<Answer>(&text).unwrap(), &answer);
                    if let Answer::Batch { users, .. } = answer && users.is_empty() {
                        prop_assert_eq!(&before, &all_of(&office.book), "{:?}", command);
                    }
                    if command.is_read_only() {
                        prop_assert_eq!(&before, &all_of(&office.book), "{:?}", command);
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn at_the_desk_the_dns_is_asked_only_for_a_claim() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, thread) = Desk::open(DiskBook::open(&folder.path().join("book")).unwrap()).unwrap();
    let by = Caller::new("KEY");
    let nobody = |domain: String| async move { panic!("nobody may ask for {domain}") };
    let give = |value| answer(&desk, &by, command(value), nobody);
    give(json!({"command":"account_create","name":"Corp","id":"corp"})).await.unwrap();
    let verify = json!({"command":"domain_verify","account":"corp","domain":"corp.example"});
    let error = give(verify.clone()).await.unwrap_err();
    assert_eq!(error.exception(), Exception::NotFound);

    give(json!({"command":"domain_claim","account":"corp","domain":"corp.example"})).await.unwrap();
    let silent = |_| async { Err("nobody answered".to_owned()) };
    let error = answer(&desk, &by, command(verify.clone()), silent).await.unwrap_err();
    assert_eq!(error.exception(), Exception::ServiceUnavailable);
    let account = corp();
    let record = desk
        .look(move |book| {
            let claims = book.account(&account).unwrap().profile().claims.clone();
            crate::server::dns::record(claims["corp.example"].token.as_deref().unwrap())
        })
        .await
        .unwrap();
    let shows = |domain: String| async move {
        assert_eq!(domain, "corp.example");
        Ok(vec![record])
    };
    answer(&desk, &by, command(verify), shows).await.unwrap();

    let Answer::Log { entries, next: None } = give(json!({"command":"audit","account":"corp"})).await.unwrap() else {
        panic!("no log")
    };
    let told: Vec<&str> = entries.iter().map(|line| line.entry.operation.as_str()).collect();
    assert_eq!(told, ["VerifyDomain", "ClaimDomain", "CreateAccount"]);
    assert!(entries.iter().all(|line| line.entry.by == "KEY"));
    drop(desk);
    thread.join();
}

#[test]
fn every_refusal_has_an_exception() {
    for (code, exception) in [
        (RefusalCode::BadRequest, Exception::BadRequest),
        (RefusalCode::PreconditionFailed, Exception::BadRequest),
        (RefusalCode::NotFound, Exception::NotFound),
        (RefusalCode::Conflict, Exception::Conflict),
        (RefusalCode::Forbidden, Exception::Forbidden),
        (RefusalCode::Unprocessable, Exception::UnprocessableEntity),
        (RefusalCode::ResourceLimitExceeded, Exception::ResourceLimitExceeded),
    ] {
        assert_eq!(CommandError::Refused(Refusal::new(code, "")).exception(), exception);
    }
    let busy = CommandError::Desk(DeskError::Busy { message: String::new() });
    assert_eq!(busy.exception(), Exception::ServiceUnavailable);
}
