"""The mailbox of the demo keeps each mail once."""

from datetime import timedelta

import anyio
import pytest

from app.mail.mailbox import FolderMailbox, MailboxMailer
from app.ports.mailer import MailDeferred, MailRefused
from tests.mail.letters import NOW, RENDERER, a_full_letter, a_mail
from tests.mail.test_smtp import At

pytestmark = pytest.mark.anyio


async def test_a_mail_can_be_read_as_it_was_sent(tmp_path):
    body = RENDERER.render(a_full_letter(language="de"))
    await MailboxMailer(tmp_path, clock=At()).send(a_mail(body=body, language="de"))

    mailbox = FolderMailbox(tmp_path)
    [name] = await mailbox.names()
    kept = await mailbox.read(name)

    assert kept is not None
    assert (kept.subject, kept.recipient, kept.language) == (body.subject, "ada@example.com", "de")
    assert kept.at == NOW
    assert kept.html.strip() == body.html.strip()
    assert kept.text.strip() == body.text.strip()
    assert dict(kept.headers)["Message-ID"] == "<msg_0192f3a0@kelpworks.example>"


async def test_a_message_sent_again_is_there_once_and_unchanged(tmp_path):
    later = At(NOW + timedelta(hours=1))
    await MailboxMailer(tmp_path, clock=At()).send(a_mail())

    await MailboxMailer(tmp_path, clock=later).send(a_mail())

    mailbox = FolderMailbox(tmp_path)
    [name] = await mailbox.names()
    kept = await mailbox.read(name)
    assert kept is not None
    assert kept.at == NOW


async def test_many_workers_with_one_message_leave_one_mail(tmp_path):
    async with anyio.create_task_group() as workers:
        for _ in range(20):
            workers.start_soon(MailboxMailer(tmp_path, clock=At()).send, a_mail())

    assert len(list((tmp_path / "new").iterdir())) == 1
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_the_order_tells_of_the_mails_and_not_of_their_ids(tmp_path):
    for hours, who, message_id in [(1, "bo", "msg_z"), (0, "cy", "msg_a"), (1, "al", "msg_b")]:
        at = At(NOW + timedelta(hours=hours))
        mail = a_mail(message_id=message_id, recipient=f"{who}@example.com")
        await MailboxMailer(tmp_path, clock=at).send(mail)

    mailbox = FolderMailbox(tmp_path)
    mails = [await mailbox.read(name) for name in await mailbox.names()]

    assert [mail.recipient[:2] for mail in mails if mail] == ["al", "bo", "cy"]


async def test_what_a_server_would_refuse_the_mailbox_refuses(tmp_path):
    with pytest.raises(MailRefused):
        await MailboxMailer(tmp_path, clock=At()).send(a_mail(recipient="nobody"))


async def test_a_folder_that_cannot_be_written_is_for_now(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")

    with pytest.raises(MailDeferred):
        await MailboxMailer(blocked, clock=At()).send(a_mail())


@pytest.mark.parametrize("name", ["", "../secret", "x" * 300, "a/b", "nothere", "\x00"])
async def test_a_name_that_is_no_mail_finds_nothing(tmp_path, name):
    (tmp_path / "secret.eml").write_text("x")

    assert await FolderMailbox(tmp_path).read(name) is None


async def test_an_empty_mailbox_has_no_mails(tmp_path):
    assert await FolderMailbox(tmp_path / "new").names() == []
