use super::*;

const ID: &str = "01a20e1c7d0a7b529a3c4c1e5a0a7c11";

fn notification(to: &str, status: &str, copy: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nTo: {to}\r\nSubject: Undelivered\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nAction: none of this counts\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example\r\n\r\n{status}\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\n{copy}\r\n--b--\r\n"
    )
}

fn check(to: &str, status: &str, copy: &str, expected: Result<(Verdict, &str), NoReport>) {
    let read = read(notification(to, status, copy).as_bytes());
    let read = read.map(|report| {
        assert_eq!(report.message.simple().to_string(), ID);
        (report.verdict, report.reason)
    });
    let expected = expected.map(|(verdict, reason)| (verdict, reason.to_owned()));
    assert_eq!(read, expected, "{to} {status}");
}

#[test]
fn the_message_is_known_by_the_return_path_or_by_its_id() {
    let verp = return_path("bounces@shop.example", Uuid::try_parse(ID).unwrap()).unwrap();
    assert_eq!(verp, format!("bounces+{ID}@shop.example"));
    let status = "Final-Recipient: rfc822; ann@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\
                  Diagnostic-Code: smtp; 550 5.1.1\r\n nobody of that name\r\n";
    let permanent = Ok((
        Verdict::Permanent,
        "failed 5.1.1 smtp; 550 5.1.1 nobody of that name",
    ));
    check(&verp, status, "", permanent);
    check(&format!("<{verp}>, <a+b@c.example>"), status, "", permanent);
    let copy = format!("Message-ID: <{ID}@shop.example>\r\nSubject: Hi\r\n");
    check("bounces@shop.example", status, &copy, permanent);
    check("bounces@shop.example", status, "", Err(NoReport::NoMessage));
    check(
        "b+12345@shop.example",
        status,
        "Message-ID: <a@b>\r\n",
        Err(NoReport::NoMessage),
    );
}

#[test]
fn only_a_failure_ends_a_message_and_only_a_permanent_one_an_address() {
    let verp = format!("bounces+{ID}@shop.example");
    check(
        &verp,
        "Action: failed\r\nStatus: 4.2.2\r\n",
        "",
        Ok((Verdict::Temporary, "failed 4.2.2")),
    );
    check(
        &verp,
        "Action: failed\r\n",
        "",
        Ok((Verdict::Temporary, "failed")),
    );
    check(
        &verp,
        "Action: Delayed\r\nStatus: 4.4.1\r\n",
        "",
        Ok((Verdict::Nothing, "delayed 4.4.1")),
    );
    check(
        &verp,
        "Action: delivered\r\nStatus: 2.0.0\r\n",
        "",
        Ok((Verdict::Nothing, "delivered 2.0.0")),
    );
    check(&verp, "Status: 5.1.1\r\n", "", Err(NoReport::NoAction));
}

#[test]
fn another_message_is_no_report() {
    let verp = format!("bounces+{ID}@shop.example");
    let reply =
        format!("To: {verp}\r\nSubject: Re: your order\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n");
    assert_eq!(read(reply.as_bytes()), Err(NoReport::NotAStatus));
    for noise in [
        &b""[..],
        b"\r\n\r\n",
        b"\xff\xfe",
        b"Content-Type: message/delivery-status",
        b" a\n b",
    ] {
        assert!(read(noise).is_err());
    }
}
