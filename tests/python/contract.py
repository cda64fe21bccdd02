"""boto3 drives the server through every operation of the contract, good and bad.

Each story has a server of its own. Every answer is held against the service model on the way (ask.py).
"""

import json

from ask import equal, main, refused, stories_of, until

NOBODY = "no-such-user"
NOWHERE = "no-such-account"


# ---- Accounts ----

def accounts(setup):
    chime = setup.client()
    created = chime.create_account(Name="Größe 東京 🎉 Ltd")
    equal(created["ResponseMetadata"]["HTTPStatusCode"], 201, "CreateAccount")
    assert created["ResponseMetadata"]["RequestId"], "x-amzn-RequestId comes as ResponseMetadata.RequestId"
    account = created["Account"]
    number = account["AccountId"]
    equal(account["Name"], "Größe 東京 🎉 Ltd", "a name keeps its letters")
    equal(account["AccountType"], "Team", "CreateAccount makes team accounts")
    equal(account["AccountStatus"], "Active", "a new account")
    equal(len(account["AwsAccountId"]), 12, "AwsAccountId has twelve digits")
    assert account["DefaultLicense"] in account["SupportedLicenses"], account
    equal(chime.get_account(AccountId=number)["Account"], account, "GetAccount shows what CreateAccount made")

    renamed = chime.update_account(AccountId=number, Name="Corp")["Account"]
    equal(renamed, {**account, "Name": "Corp"}, "a rename changes the name alone")
    chime.update_account(AccountId=number, DefaultLicense="Pro")
    equal(chime.get_account(AccountId=number)["Account"], {**renamed, "DefaultLicense": "Pro"}, "DefaultLicense")
    refused("BadRequestException", chime.update_account, AccountId=number, DefaultLicense="Gold")
    refused("BadRequestException", chime.update_account, AccountId=number, Name="x" * 101)
    equal(chime.get_account(AccountId=number)["Account"]["Name"], "Corp", "a refused change changes nothing")

    long_name = "ü" * 100
    equal(chime.create_account(Name=long_name)["Account"]["Name"], long_name, "100 letters, however many bytes")
    for name in ("x" * 101, " ", "\t"):
        refused("BadRequestException", chime.create_account, Name=name)

    for call in (chime.get_account, chime.update_account, chime.delete_account, chime.get_account_settings,
                 chime.list_users):
        refused("NotFoundException", call, AccountId=NOWHERE)


def account_settings(setup):
    chime = setup.client()
    account = chime.create_account(Name="Settings")["Account"]["AccountId"]
    settings = {"DisableRemoteControl": True, "EnableDialOut": False}
    answer = chime.update_account_settings(AccountId=account, AccountSettings=settings)
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 204, "UpdateAccountSettings")
    equal(chime.get_account_settings(AccountId=account)["AccountSettings"], settings, "GetAccountSettings")
    chime.update_account_settings(AccountId=account, AccountSettings={"EnableDialOut": True})
    both = {"DisableRemoteControl": True, "EnableDialOut": True}
    equal(chime.get_account_settings(AccountId=account)["AccountSettings"], both, "what is absent stays")
    refused("NotFoundException", chime.update_account_settings, AccountId=NOWHERE, AccountSettings=settings)

    chime.associate_signin_delegate_groups_with_account(
        AccountId=account, SigninDelegateGroups=[{"GroupName": "front desk"}, {"GroupName": "Zentrale"}])

    def groups():
        return chime.get_account(AccountId=account)["Account"].get("SigninDelegateGroups", [])

    equal(groups(), [{"GroupName": "front desk"}, {"GroupName": "Zentrale"}], "the groups")
    chime.disassociate_signin_delegate_groups_from_account(AccountId=account, GroupNames=["front desk"])
    equal(groups(), [{"GroupName": "Zentrale"}], "the groups that are left")
    refused("NotFoundException", chime.associate_signin_delegate_groups_with_account,
            AccountId=NOWHERE, SigninDelegateGroups=[{"GroupName": "x"}])


def accounts_are_listed_in_pages(setup):
    chime = setup.client()
    made = {chime.create_account(Name=f"Paging {number:02}")["Account"]["AccountId"] for number in range(12)}
    chime.create_account(Name="Another")
    pages = list(chime.get_paginator("list_accounts").paginate(Name="Paging", PaginationConfig={"PageSize": 5}))
    equal([len(page["Accounts"]) for page in pages], [5, 5, 2], "pages of five")
    equal(sorted(account["AccountId"] for page in pages for account in page["Accounts"]), sorted(made), "each once")
    assert "NextToken" not in pages[-1], "the end is an absent token"
    everything = chime.list_accounts()["Accounts"]
    assert made < {account["AccountId"] for account in everything}, "without a filter all are listed"
    equal(chime.list_accounts(Name="Nothing like it")["Accounts"], [], "a prefix that nobody has")
    equal(chime.list_accounts(Name="aging")["Accounts"], [], "a name is matched from its beginning")
    for size in (201, 100000):
        refused("BadRequestException", chime.list_accounts, MaxResults=size)
    equal(chime.list_accounts(MaxResults=200)["ResponseMetadata"]["HTTPStatusCode"], 200, "200 are allowed")
    refused("BadRequestException", chime.list_accounts, NextToken="made up")

    team = min(made)
    chime.invite_users(AccountId=team, UserEmailList=["ann+1@corp.test"])
    found = chime.list_accounts(UserEmail="ann+1@corp.test")["Accounts"]
    equal([account["AccountId"] for account in found], [team], "the accounts of an address")
    equal(chime.list_accounts(UserEmail="nobody@corp.test")["Accounts"], [], "an address that nobody has")


def an_account_is_deleted_when_it_is_empty(setup):
    chime = setup.client()
    account = chime.create_account(Name="Short-lived")["Account"]["AccountId"]
    user = _invite(chime, account, ["ann@corp.test"])["ann@corp.test"]
    setup.accept("ann@corp.test")
    refused("UnprocessableEntityException", chime.delete_account, AccountId=account)
    equal(chime.get_account(AccountId=account)["Account"]["AccountStatus"], "Active", "it is still there")
    equal(chime.batch_suspend_user(AccountId=account, UserIdList=[user])["UserErrors"], [], "BatchSuspendUser")
    answer = chime.delete_account(AccountId=account)
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 204, "DeleteAccount")
    refused("NotFoundException", chime.get_account, AccountId=account)
    refused("NotFoundException", chime.list_users, AccountId=account)
    refused("NotFoundException", chime.invite_users, AccountId=account, UserEmailList=["bob@corp.test"])
    equal(chime.list_accounts(Name="Short-lived")["Accounts"], [], "it is not listed any more")
    # Enterprise accounts keep their domain until it is released.
    refused("UnprocessableEntityException", chime.delete_account, AccountId=setup.accounts["lwa"])


# ---- Team ----

def team(setup):
    chime = setup.client()
    account = chime.create_account(Name="Team")["Account"]["AccountId"]
    fifty = [f"person{number:02}@corp.test" for number in range(50)]
    answer = chime.invite_users(AccountId=account, UserEmailList=fifty)
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 201, "InviteUsers")
    equal([invite["EmailAddress"] for invite in answer["Invites"]], fifty, "one invitation for each, in order")
    equal({invite["Status"] for invite in answer["Invites"]}, {"Pending"}, "all are asked")
    equal(len({invite["InviteId"] for invite in answer["Invites"]}), 50, "ids of invitations")
    refused("BadRequestException", chime.invite_users, AccountId=account, UserEmailList=[*fifty, "one@more.test"])
    refused("BadRequestException", chime.invite_users, AccountId=account, UserEmailList=["no address"])
    refused("NotFoundException", chime.invite_users, AccountId=NOWHERE, UserEmailList=["ann@corp.test"])
    users = _by_email(chime, account)
    equal(sorted(users), fifty, "who is invited is a user")
    ann = users["person00@corp.test"]
    equal(ann["UserRegistrationStatus"], "Unregistered", "before acceptance")
    equal(ann["UserInvitationStatus"], "Pending", "before acceptance")
    assert ann["InvitedOn"] and "RegisteredOn" not in ann, ann
    assert "LicenseType" not in ann, f"who has not accepted costs nothing: {ann}"

    setup.accept("person00@corp.test")
    ann = _get(chime, account, ann["UserId"])
    equal((ann["UserRegistrationStatus"], ann["UserInvitationStatus"]), ("Registered", "Accepted"), "after acceptance")
    equal(ann["LicenseType"], "Plus", "the default licence")
    assert ann["RegisteredOn"], ann

    moved = chime.update_user(AccountId=account, UserId=ann["UserId"], LicenseType="Pro")["User"]
    equal(moved, {**ann, "LicenseType": "Pro"}, "UpdateUser changes the licence alone")
    refused("BadRequestException", chime.update_user, AccountId=account, UserId=ann["UserId"], LicenseType="Gold")
    equal(_get(chime, account, ann["UserId"])["LicenseType"], "Pro", "a refused change changes nothing")
    refused("ForbiddenException", chime.batch_unsuspend_user, AccountId=account, UserIdList=[ann["UserId"]])
    refused("ForbiddenException", chime.create_user, AccountId=account, Email="bob@corp.test", UserType="PrivateUser")

    # In a team, suspending is removing; only a new invitation brings them back, and without the licence they had.
    pending = users["person01@corp.test"]["UserId"]
    answer = chime.batch_suspend_user(AccountId=account, UserIdList=[ann["UserId"], NOBODY, pending])
    equal([(error["UserId"], error["ErrorCode"]) for error in answer["UserErrors"]], [(NOBODY, "NotFound")],
          "the others are done")
    refused("NotFoundException", chime.get_user, AccountId=account, UserId=ann["UserId"])
    refused("NotFoundException", chime.get_user, AccountId=account, UserId=pending)
    equal(len(_by_email(chime, account)), 48, "two have left")
    again = _invite(chime, account, ["person00@corp.test"])["person00@corp.test"]
    equal(_get(chime, account, again)["UserInvitationStatus"], "Pending", "asked anew")
    until(lambda: len(setup.letters("person00@corp.test")) == 2, "a second letter")
    setup.accept("person00@corp.test")
    equal(_get(chime, account, again)["LicenseType"], "Plus", "the default licence, not the one of old")


def whoever_leaves_between_two_pages_hides_nobody(setup):
    chime = setup.client()
    account = chime.create_account(Name="Leaving")["Account"]["AccountId"]
    _invite(chime, account, [f"person{number:02}@corp.test" for number in range(50)])
    first = chime.list_users(AccountId=account, MaxResults=10)
    chime.batch_suspend_user(AccountId=account, UserIdList=[user["UserId"] for user in first["Users"]])
    seen, token = [user["PrimaryEmail"] for user in first["Users"]], first["NextToken"]
    while token:
        assert len(seen) <= 50, seen
        page = chime.list_users(AccountId=account, MaxResults=10, NextToken=token)
        seen += [user["PrimaryEmail"] for user in page["Users"]]
        token = page.get("NextToken")
    equal(sorted(seen), [f"person{number:02}@corp.test" for number in range(50)], "each of them once")


# ---- EnterpriseDirectory, with the declared extension ----

def directory(setup):
    chime, account = setup.client(), setup.accounts["directory"]
    equal(chime.get_account(AccountId=account)["Account"]["AccountType"], "EnterpriseDirectory", "the account")
    created = chime.create_user(AccountId=account, Username="Zoë 東京", Email="zoe+1@corp.test", UserType="PrivateUser")
    equal(created["ResponseMetadata"]["HTTPStatusCode"], 201, "CreateUser")
    zoe = created["User"]
    equal(zoe["DisplayName"], "Zoë 東京", "a name keeps its letters")
    equal((zoe["PrimaryEmail"], zoe["UserRegistrationStatus"]), ("zoe+1@corp.test", "Registered"), "a new user")
    equal(zoe["AccountId"], account, "a user knows its account")
    conflict = refused("ConflictException", chime.create_user,
                       AccountId=account, Username="Other", Email="zoe+1@corp.test", UserType="PrivateUser")
    equal(conflict["ResponseMetadata"]["HTTPStatusCode"], 409, "an address belongs to one user")
    room = chime.create_user(AccountId=account, Username="Room 4", Email="room4@corp.test", UserType="SharedDevice")
    equal(room["User"]["UserType"], "SharedDevice", "a shared device")

    def by_type(kind):
        return {user["UserId"] for user in chime.list_users(AccountId=account, UserType=kind)["Users"]}

    equal(by_type("SharedDevice"), {room["User"]["UserId"]}, "user-type as a filter")
    equal(by_type("PrivateUser"), {zoe["UserId"]}, "user-type as a filter")
    refused("BadRequestException", chime.list_users, AccountId=account, UserType="Robot")
    refused("ForbiddenException", chime.invite_users, AccountId=account, UserEmailList=["ann@corp.test"])

    users = _create(setup, account, [f"person{number:02}@corp.test" for number in range(51)])
    ids = [users[address] for address in sorted(users)]
    twenty = [{"UserId": number, "LicenseType": "Pro"} for number in ids[:20]]
    equal(chime.batch_update_user(AccountId=account, UpdateUserRequestItems=twenty)["UserErrors"], [], "twenty")
    equal([_get(chime, account, number)["LicenseType"] for number in ids[:20]], ["Pro"] * 20, "twenty have Pro")
    refused("BadRequestException", chime.batch_update_user, AccountId=account,
            UpdateUserRequestItems=[{"UserId": number, "LicenseType": "Plus"} for number in ids[:21]])
    equal(_get(chime, account, ids[0])["LicenseType"], "Pro", "of a batch that is refused nothing is done")
    mixed = [{"UserId": ids[0], "LicenseType": "Plus"}, {"UserId": NOBODY, "LicenseType": "Plus"},
             {"UserId": ids[1], "LicenseType": "Gold"}, {"UserId": ids[2], "LicenseType": "Plus"}]
    errors = chime.batch_update_user(AccountId=account, UpdateUserRequestItems=mixed)["UserErrors"]
    equal({error["UserId"]: error["ErrorCode"] for error in errors}, {NOBODY: "NotFound", ids[1]: "BadRequest"},
          "one bad id and one bad licence")
    assert all(error["ErrorMessage"] for error in errors), errors
    equal([_get(chime, account, number)["LicenseType"] for number in ids[:3]], ["Plus", "Pro", "Plus"],
          "the others are done")

    refused("BadRequestException", chime.batch_suspend_user, AccountId=account, UserIdList=ids[:51])
    equal(_status(chime, account), {"Registered": 53}, "of a batch that is refused nothing is done")
    for _ in ("once", "twice is once"):
        equal(chime.batch_suspend_user(AccountId=account, UserIdList=ids[:50])["UserErrors"], [], "fifty")
        equal(_status(chime, account), {"Suspended": 50, "Registered": 3}, "fifty are suspended")
    equal(_get(chime, account, ids[1])["LicenseType"], "Pro", "a suspended user keeps the licence")
    refused("BadRequestException", chime.batch_unsuspend_user, AccountId=account, UserIdList=ids[:51])
    # One who is not suspended, and one who does not exist.
    chime.batch_unsuspend_user(AccountId=account, UserIdList=[ids[0], ids[1], ids[50]])
    equal(_status(chime, account), {"Suspended": 48, "Registered": 5}, "two are back")
    equal(_get(chime, account, ids[1])["LicenseType"], "Pro", "with the licence of before")


def users_are_listed_in_pages(setup):
    chime, account = setup.client(), setup.accounts["directory"]
    emails = [f"person{number:03}+x@corp.test" for number in range(230)]
    users = _create(setup, account, emails)
    for size in (7, 100, 200):
        pages = list(chime.get_paginator("list_users").paginate(AccountId=account, PaginationConfig={"PageSize": size}))
        equal([len(page["Users"]) for page in pages[:-1]], [size] * (len(pages) - 1), "all pages but the last are full")
        equal(len(pages), -(-230 // size), f"pages of {size}")
        listed = [(user["PrimaryEmail"], user["UserId"]) for page in pages for user in page["Users"]]
        equal(sorted(listed), sorted(users.items()), "each user once")
        assert all("NextToken" in page for page in pages[:-1]) and "NextToken" not in pages[-1], "the end is no token"
    equal(len(chime.list_users(AccountId=account)["Users"]), 100, "a hundred where nothing is said")
    refused("BadRequestException", chime.list_users, AccountId=account, MaxResults=201)
    refused("BadRequestException", chime.list_users, AccountId=account, NextToken="made up")
    found = chime.list_users(AccountId=account, UserEmail="person007+x@corp.test")["Users"]
    equal([user["UserId"] for user in found], [users["person007+x@corp.test"]], "user-email, with a plus")
    equal(chime.list_users(AccountId=account, UserEmail="person007 x@corp.test")["Users"], [], "a plus is no blank")
    equal(chime.list_users(AccountId=account, UserEmail="person00@corp.test")["Users"], [], "the whole address")
    limited = chime.get_paginator("list_users").paginate(
        AccountId=account, PaginationConfig={"PageSize": 50, "MaxItems": 120}).build_full_result()
    equal(len(limited["Users"]), 120, "boto3 stops where it is told")


def one_user(setup):
    chime, account = setup.client(), setup.accounts["directory"]
    user = _create(setup, account, ["ann@corp.test"])["ann@corp.test"]
    whom = {"AccountId": account, "UserId": user}
    answer = chime.logout_user(**whom)
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 204, "LogoutUser")
    settings = {"Telephony": {"InboundCalling": True, "OutboundCalling": False, "SMS": True}}
    answer = chime.update_user_settings(**whom, UserSettings=settings)
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 204, "UpdateUserSettings")
    equal(chime.get_user_settings(**whom)["UserSettings"], settings, "GetUserSettings")
    pins = {chime.reset_personal_pin(**whom)["User"]["PersonalPIN"] for _ in range(3)}
    assert len(pins) > 1 and all(pin.isdigit() for pin in pins), f"each time another PIN: {pins}"
    metadata = {"IsAlexaForBusinessEnabled": True, "AlexaForBusinessRoomArn": "arn:aws:a4b:us-east-1:1:room/x"}
    chime.update_user(**whom, AlexaForBusinessMetadata=metadata)
    equal(chime.get_user(**whom)["User"]["AlexaForBusinessMetadata"], metadata, "kept and handed out")
    changed = chime.update_user(**whom, UserType="SharedDevice")["User"]
    equal(changed["UserType"], "SharedDevice", "UserType")
    refused("BadRequestException", chime.update_user, **whom, UserType="Robot")

    nobody = {"AccountId": account, "UserId": NOBODY}
    for call, more in (
        (chime.get_user, {}), (chime.update_user, {"LicenseType": "Pro"}), (chime.logout_user, {}),
        (chime.get_user_settings, {}), (chime.update_user_settings, {"UserSettings": settings}),
        (chime.reset_personal_pin, {}),
    ):
        refused("NotFoundException", call, **nobody, **more)
        refused("NotFoundException", call, AccountId=NOWHERE, UserId=user, **more)


def ids_are_one_segment_of_the_path(setup):
    chime, account = setup.client(), setup.accounts["directory"]
    user = _create(setup, account, ["ann@corp.test"])["ann@corp.test"]
    strange = ["a b/c@d", f"{user}/settings", f"x/../{user}", "a+b", "100%", "%2F", "é/ü 東京", "a?operation=logout",
               "a#b", ";", "'\"<>", "x" * 1000]
    for name in strange:
        refused("NotFoundException", chime.get_user, AccountId=account, UserId=name)
        refused("NotFoundException", chime.logout_user, AccountId=account, UserId=name)
        refused("NotFoundException", chime.get_account, AccountId=name)
        refused("NotFoundException", chime.list_users, AccountId=name)
    errors = chime.batch_suspend_user(AccountId=account, UserIdList=strange)["UserErrors"]
    equal({error["UserId"]: error["ErrorCode"] for error in errors}, {name: "NotFound" for name in strange},
          "an id comes back as it was sent")


# ---- EnterpriseLWA ----

def lwa(setup):
    chime, account = setup.client(), setup.accounts["lwa"]
    equal(chime.get_account(AccountId=account)["Account"]["AccountType"], "EnterpriseLWA", "the account")
    users = {email: user["UserId"] for email, user in _by_email(chime, account).items()}
    equal(sorted(users), ["ann@lwa.test", "bob@lwa.test", "eve@lwa.test"], "who signed up")
    ann, bob, eve = (users[f"{name}@lwa.test"] for name in ("ann", "bob", "eve"))
    refused("ForbiddenException", chime.invite_users, AccountId=account, UserEmailList=["dan@corp.test"])
    chime.update_user(AccountId=account, UserId=ann, LicenseType="Pro")
    equal(chime.batch_suspend_user(AccountId=account, UserIdList=[ann, bob])["UserErrors"], [], "BatchSuspendUser")
    equal(_status(chime, account), {"Suspended": 2, "Registered": 1}, "two are suspended")
    errors = chime.batch_unsuspend_user(AccountId=account, UserIdList=[ann, eve])["UserErrors"]
    equal(errors, [], "who was not suspended is passed over")
    equal(_status(chime, account), {"Suspended": 1, "Registered": 2}, "one is back")
    equal(_get(chime, account, ann)["LicenseType"], "Pro", "with the licence of before")
    equal(chime.logout_user(AccountId=account, UserId=eve)["ResponseMetadata"]["HTTPStatusCode"], 204, "LogoutUser")


# ---- The declared extensions, and the server without them ----

def extensions(setup):
    chime, account = setup.client(), setup.accounts["directory"]
    users_path = f"/accounts/{account}/users"
    declared = setup.ask("GET", f"/accounts/{account}").json["Account"]["Extensions"]
    equal(set(declared), {"DirectoryUpdates", "BatchCreateUser", "PrimaryEmail", "Echo"}, "Extensions")

    items = [{"Email": "ann@corp.test", "LicenseType": "Pro", "Username": "Ann"}, {"Email": "bob@corp.test"}]
    made = setup.ask("POST", f"{users_path}?operation=batch-create", {"CreateUserRequestItems": items})
    equal((made.json["UserErrors"], len(made.json["Users"])), ([], 2), f"BatchCreateUser: {made}")
    ids = {user["PrimaryEmail"]: user["UserId"] for user in made.json["Users"]}
    ann, bob = ids["ann@corp.test"], ids["bob@corp.test"]
    user = _get(chime, account, ann)
    equal((user["LicenseType"], user["DisplayName"]), ("Pro", "Ann"), "as asked for")
    items = [{"Email": "ann@corp.test"}, {"Email": "eve@corp.test"}]
    again = setup.ask("POST", f"{users_path}?operation=batch-create", {"CreateUserRequestItems": items}).json
    equal([(error["UserId"], error["ErrorCode"]) for error in again["UserErrors"]], [("ann@corp.test", "Conflict")],
          "an address belongs to one user, and names the item")
    eve, = (user["UserId"] for user in again["Users"] if user["PrimaryEmail"] == "eve@corp.test")
    many = [{"Email": f"p{number}@corp.test"} for number in range(51)]
    over = setup.ask("POST", f"{users_path}?operation=batch-create", {"CreateUserRequestItems": many})
    equal((over.status, over.headers["x-amzn-errortype"]), (400, "BadRequestException"), "51 items")

    def move(*moves):
        items = [{"UserId": number, "PrimaryEmail": address, "LicenseType": tier} for number, address, tier in moves]
        return setup.ask("POST", users_path, {"UpdateUserRequestItems": items}).json

    swapped = move((ann, "bob@corp.test", "Plus"), (bob, "ann@corp.test", "Plus"))
    equal(swapped["UserErrors"], [], "two addresses change places at one moment")
    equal({user["UserId"]: user["PrimaryEmail"] for user in swapped["Users"]},
          {ann: "bob@corp.test", bob: "ann@corp.test"}, "Users shows them as they are afterwards")
    equal(_get(chime, account, ann)["PrimaryEmail"], "bob@corp.test", "and so does GetUser")
    refused_one = move((ann, "eve@corp.test", "Pro"), (bob, "robert@corp.test", "Pro"))
    equal([(error["UserId"], error["ErrorCode"]) for error in refused_one["UserErrors"]], [(ann, "Conflict")],
          "an address that somebody has")
    user = _get(chime, account, ann)
    equal((user["PrimaryEmail"], user["LicenseType"]), ("bob@corp.test", "Plus"), "that item is left undone")
    user = _get(chime, account, bob)
    equal((user["PrimaryEmail"], user["LicenseType"]), ("robert@corp.test", "Pro"), "the other is done")

    suspended = setup.ask("POST", f"{users_path}?operation=suspend", {"UserIdList": [ann, NOBODY, eve]}).json
    equal({user["UserId"]: user["UserRegistrationStatus"] for user in suspended["Users"]},
          {ann: "Suspended", eve: "Suspended"}, "Users after BatchSuspendUser")
    back = setup.ask("POST", f"{users_path}?operation=unsuspend", {"UserIdList": [ann]}).json
    equal([user["UserRegistrationStatus"] for user in back["Users"]], ["Registered"], "Users after BatchUnsuspendUser")

    team = chime.create_account(Name="Team")["Account"]["AccountId"]
    invite = {"UserEmailList": ["dan@corp.test"], "ResendPending": False}
    first, second = (setup.ask("POST", f"/accounts/{team}/users?operation=add", invite).json["Invites"] for _ in "12")
    equal(first[0]["User"]["UserInvitationStatus"], "Pending", "User of an invitation")
    equal(second[0]["User"]["UserId"], first[0]["User"]["UserId"], "the same person")
    until(lambda: setup.letters("dan@corp.test"), "the letter")
    chime.invite_users(AccountId=team, UserEmailList=["eva@corp.test"])
    until(lambda: setup.letters("eva@corp.test"), "a letter that was asked for later")
    equal(len(setup.letters("dan@corp.test")), 1, "who has been asked is not asked again")


def strict(setup):
    """`strict = true`: as the original did it, and nothing beyond the model in any answer (ask.py looks)."""
    chime, account = setup.client(), setup.accounts["directory"]
    shown = setup.ask("GET", f"/accounts/{account}").json["Account"]
    assert "Extensions" not in shown, shown
    refused("ForbiddenException", chime.batch_suspend_user, AccountId=account, UserIdList=[NOBODY])
    refused("ForbiddenException", chime.batch_unsuspend_user, AccountId=account, UserIdList=[NOBODY])
    refused("ForbiddenException", chime.batch_update_user, AccountId=account,
            UpdateUserRequestItems=[{"UserId": NOBODY, "LicenseType": "Pro"}])
    items = {"CreateUserRequestItems": [{"Email": "ann@corp.test"}]}
    answer = setup.ask("POST", f"/accounts/{account}/users?operation=batch-create", items)
    equal((answer.status, answer.headers["x-amzn-errortype"]), (404, "NotFoundException"), "no such operation")
    lwa = setup.accounts["lwa"]
    ann = _by_email(chime, lwa)["ann@lwa.test"]["UserId"]
    answer = setup.ask("POST", f"/accounts/{lwa}/users?operation=suspend", {"UserIdList": [ann]})
    equal(answer.json, {"UserErrors": []}, "no Users in an answer")
    equal(_status(chime, lwa)["Suspended"], 1, "LWA accounts suspend")
    team = chime.create_account(Name="Team")["Account"]["AccountId"]
    invites = chime.invite_users(AccountId=team, UserEmailList=["dan@corp.test"])["Invites"]
    assert "User" not in invites[0], invites


# ---- Shared ----

def _get(chime, account, user):
    return chime.get_user(AccountId=account, UserId=user)["User"]


def _by_email(chime, account):
    pages = chime.get_paginator("list_users").paginate(AccountId=account)
    return {user["PrimaryEmail"]: user for page in pages for user in page["Users"]}


def _status(chime, account):
    counted = {}
    for user in _by_email(chime, account).values():
        counted[user["UserRegistrationStatus"]] = counted.get(user["UserRegistrationStatus"], 0) + 1
    return counted


def _invite(chime, account, emails):
    """Invites them; gives the ids by address."""
    chime.invite_users(AccountId=account, UserEmailList=emails)
    users = _by_email(chime, account)
    return {email: users[email]["UserId"] for email in emails}


def _create(setup, account, emails):
    """Makes users of a directory account, by the extension; gives the ids by address."""
    ids = {}
    for at in range(0, len(emails), 50):
        items = {"CreateUserRequestItems": [{"Email": email} for email in emails[at:at + 50]]}
        answer = setup.ask("POST", f"/accounts/{account}/users?operation=batch-create", items)
        assert answer.status < 300 and answer.json["UserErrors"] == [], json.dumps(answer.json)
        ids.update({user["PrimaryEmail"]: user["UserId"] for user in answer.json["Users"]})
    equal(sorted(ids), sorted(emails), "all are made")
    return ids


if __name__ == "__main__":
    main(stories_of(globals()))
