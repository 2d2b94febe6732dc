"""The set-up help, against the fake Bot API."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.telegram_alerts.fake_bot_api import TOKEN


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("telegram_setup", *arguments, stdout=out)
    return out.getvalue()


def update(number: int, chat: dict) -> dict:
    sender = {"id": 5, "is_bot": False, "first_name": "Meera"}
    message = {"message_id": number, "date": 1_700_000_000, "chat": chat, "from": sender}
    return {"update_id": number, "message": {**message, "text": "hello"}}


def test_without_a_token_it_says_where_one_is_made(settings):
    settings.TELEGRAM_BOT_TOKEN = ""
    with pytest.raises(CommandError, match="write /newbot to @BotFather"):
        run()


def test_a_refused_token_is_one_sentence_without_it(telegram, settings):
    settings.TELEGRAM_BOT_TOKEN = "999999:another-token"
    with pytest.raises(CommandError) as refusal:
        run()
    assert str(refusal.value).startswith("Telegram refuses TELEGRAM_BOT_TOKEN")
    assert "another-token" not in str(refusal.value)


def test_the_chats_that_wrote_are_shown_once_each(telegram):
    group = {"id": -1001, "type": "supergroup", "title": "Operators"}
    person = {"id": 5, "type": "private", "first_name": "Meera"}
    telegram.updates = [update(1, group), update(2, person), update(3, group)]
    said = run()
    assert "The token is good: the bot is @shop." in said
    assert said.count("-1001  supergroup  Operators") == 1
    assert "  5  private  Meera" in said
    assert TOKEN not in said
    assert telegram.delivered == []


def test_when_nobody_wrote_it_says_what_to_do(telegram):
    assert "Nobody wrote to the bot" in run()


def test_a_test_is_sent_and_the_lines_for_env_are_printed(telegram):
    said = run("--chat", "-1001")
    assert telegram.delivered == ["OTTSONLY: alerts for operators arrive here."]
    assert "\nTELEGRAM_CHAT_ID=-1001\n" in said
    assert TOKEN not in said


def test_a_chat_that_does_not_exist_is_one_sentence(telegram):
    with pytest.raises(CommandError, match="Telegram said no: BadRequest: Chat not found"):
        run("--chat", "-5")
    assert telegram.delivered == []


def test_nobody_listening_is_one_sentence(telegram, settings):
    settings.TELEGRAM_BASE_URL = "http://127.0.0.1:9/bot"
    with pytest.raises(CommandError, match="Telegram said no: NetworkError"):
        run()
