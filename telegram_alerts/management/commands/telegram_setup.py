"""`manage.py telegram_setup`: from a bot's token to the lines for `.env`."""

import asyncio
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from telegram import Bot, Chat, Update
from telegram.error import InvalidToken, TelegramError

from telegram_alerts.delivery import described, make_bot

HOW_TO_BEGIN = (
    "There is no token yet. In Telegram write /newbot to @BotFather, then run this again with "
    "TELEGRAM_BOT_TOKEN in the environment or in .env."
)
NOBODY_WROTE = (
    "Nobody wrote to the bot in the last 24 hours. Write it a message, or add it to a group and "
    "write /start there, then run this again. (A bot with a web hook is told of nothing here.)"
)


class Command(BaseCommand):
    """Check the token, show the chats that wrote to the bot, send a test, print the variables."""

    help = "Set up the operators' Telegram: checks the token, finds the chat, sends a test."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--chat", help="send a test to this chat and print the lines for .env")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.TELEGRAM_BOT_TOKEN:
            raise CommandError(HOW_TO_BEGIN)
        # The token is read from the environment only: an argument stays in the shell's history.
        asyncio.run(self._set_up(options["chat"]))

    async def _set_up(self, chat: str | None) -> None:
        try:
            bot = make_bot()
            async with bot:
                self.stdout.write(f"The token is good: the bot is @{bot.username}.")
                if chat:
                    await self._test(bot, chat)
                else:
                    await self._show_chats(bot)
        except InvalidToken:
            raise CommandError(
                "Telegram refuses TELEGRAM_BOT_TOKEN: copy it anew from @BotFather."
            ) from None
        except TelegramError as error:
            raise CommandError(f"Telegram said no: {described(error)}") from None

    async def _show_chats(self, bot: Bot) -> None:
        found: dict[int, Chat] = {}
        for update in await bot.get_updates(timeout=0, allowed_updates=Update.ALL_TYPES):
            if update.effective_chat is not None:
                found[update.effective_chat.id] = update.effective_chat
        if not found:
            self.stdout.write(NOBODY_WROTE)
            return
        self.stdout.write("These chats wrote to it:")
        for chat in found.values():
            name = chat.title or chat.full_name or chat.username or ""
            self.stdout.write(f"  {chat.id}  {chat.type}  {name}")
        self.stdout.write("Send a test with: manage.py telegram_setup --chat CHAT")

    async def _test(self, bot: Bot, chat: str) -> None:
        await bot.send_message(chat, f"{settings.SHOP_NAME}: alerts for operators arrive here.")
        self.stdout.write("The test arrived. Put this into .env (the token is there already):")
        self.stdout.write(f"TELEGRAM_CHAT_ID={chat}")
        self.stdout.write("Or, for several chats with a choice of kinds each:")
        self.stdout.write(f"TELEGRAM_CHATS={chat}:*;-100123:new_order,refund")
