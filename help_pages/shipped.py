"""The texts that the shop comes with. They say what the code does: change them together with it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ShippedPage:
    """One page as shipped."""

    title: str
    body: str


FAQ = """
## Buying

### How do I log in?
With your phone number and a six-digit code that we send to it. There is no password. A code is
good for {code_minutes} minutes and {code_tries} tries, and the newest one replaces the one before.

### How do I pay?
Every plan is paid from your wallet. You top the wallet up through Razorpay by UPI, card or net
banking, from {topup_min} to {topup_max} at a time. Money leaves the wallet only when a purchase
succeeds, and never twice for one press of the button.

### Money was taken from my bank, but my wallet did not grow
Wait a few minutes and look at the wallet again. Razorpay tells us of a payment by itself, and we
also ask for payments that we were not told of, so the money is credited without you doing
anything. You need not pay again. If it is still missing after a day, write to us with the
reference of the top-up.

### The price changed while I was looking
Then nothing is bought and nothing is taken: the bill is shown again with the new price, and you
decide.

## Your plan

### When do I get my login?
Each plan says so before you pay. Some are ready at once. Some are prepared by our team. Some are
invitations to an account of your own, for which we ask your email address. If no login is free at
the moment, your order waits and the next free one goes to whoever has waited longest.

### When do my days start?
At delivery, not at payment. Waiting costs you no day.

### Where is my login?
On the page of your plan, under [My plans](/subscriptions/). Press the button to see it. Each look
is recorded with its time and network address, so that a misuse can be traced.

### May I change the password or share the login?
No. Others may use the same account with a profile of their own. Use the profile that is named on
your plan's page, and change no password, plan or email address there.

### Does a plan renew by itself?
Only if you switch that on, on the plan's page; you can switch it off there again. Then its price
is taken from your wallet in the last days before the end. You are told before, and a higher price
is never taken without telling you.

Otherwise you renew it from its page when you like, at the price of that day, which is shown first.
The new days are added after those that you have, so renewing early loses nothing.

### My login stopped working
Look at your plan's page first: if we replaced the login, the new one is there and your dates stay
as they were. Otherwise [write to us](/help/contact/) with the number of the order.

## Your account

### I have a new phone number
Change it in your [profile](/profile/) while the old number still works: a code goes to both. Your
wallet, plans and orders stay. If the old number is lost, [write to us](/help/contact/).

### Somebody else may be logged in as me
Your [profile](/profile/) shows every device that is logged in, and ends one or all of them.
"""

REFUNDS = """
## Delivery

- **At once**: the login is on your plan's page as soon as you have paid. If none is free just
  then, the order waits, and the one that waited longest is served first.
- **Prepared by our team**: you are told in the shop when the login is ready.
- **Your own account**: we send an invitation to the email address that you gave.

Nothing is shipped. Your days are counted from the delivery, so a wait costs you none.

## Refunds

Refunds are made by a person, not by a machine. [Write to us](/help/contact/) with the number of
your order and say what went wrong.

- **Not delivered yet**: you may have the whole price back.
- **Delivered, but the login does not work and we cannot replace it**: the price is given back,
  whole or in part, for what you could not use.
- **Delivered and working**: the login was shown to you and cannot be taken back, so there is no
  right to a refund because you changed your mind.

A refund goes to your wallet and is there at once, as a line of your statement. Together the
refunds of one order are never more than you paid for it. When an order is refunded whole, the
days that it bought end; days that another order paid for stay.

## Money in the wallet

Money that you topped up and did not spend can go back to where it was paid from: write to us.
It leaves your wallet first and is then sent through Razorpay, as a rule within 5 to 7 working
days. If the bank refuses it, it is in your wallet again. For one top-up, no more than its own
amount goes back, and no more than your wallet holds.

A top-up that was paid twice by mistake is looked at by a person: write to us.
"""

TERMS = """
## Who sells

- {seller}
- {address}
- GSTIN {gstin}

## What is sold

{shop} sells access to streaming services for a number of days. The services belong to their own
companies, which {shop} is not part of. What they show, and on which devices, is theirs to decide.

## Your account

- One account belongs to one phone number and one person. Whoever has the phone has the account:
  keep it safe, and change the number here before you give it up.
- Prices are in rupees and shown before you pay. You pay the price on the bill that you confirmed,
  or nothing is bought.
- A purchase happens whole or not at all: money, plan and order together.

## The wallet

- The wallet holds money for purchases in {shop}. It earns no interest and cannot be sent to
  another person.
- It never goes below zero. Every movement is a line of your [statement](/wallet/statement/), and
  no line is ever changed or removed: a mistake is corrected by another line, with its reason.

## Fair use

- Use only the profile and the number of screens that your plan's page names.
- Do not change passwords, email addresses or plans in a shared account, and do not pass the login
  on. If you do, we may end your plan without a refund.
- We may disable an account that is used for fraud. What is left in its wallet stays recorded.

## If something fails

Deliveries and refunds: see [Delivery and refunds](/help/refunds/). If a service raises its prices
or ends, we replace your plan by a like one or give back what you could not use.

The law of India applies. Nothing here takes away a right that it gives you as a consumer.
"""

PRIVACY = """
What is kept about you, why, and who sees it.

## What is kept

- **Phone number**: it is your account. We send codes to it, word that the number was changed and,
  where this shop has set that up, reminders of your plans and of their renewal.
- **Name and email address**, if you give them: to address you, to send an invitation for plans
  that need one, for reminders where this shop has set that up, and as a suggestion in Razorpay's
  payment window. Empty them in your [profile](/profile/) whenever you like.
- **Your State**, if we ask for it: the law wants it on tax invoices.
- **Orders, plans, wallet lines, top-ups and refunds**: the books of the shop, which must stay
  complete. They are not deleted.
- **Log-ins**: kind of device, network address and time, shown to you in your
  [profile](/profile/), until you log out or {session_days} days have passed.
- **Looks at a login**: that you looked, when, and from which network address, so that misuse of an
  account can be traced.
- **Notices**: until you delete them.
- **Codes**: only a fingerprint that cannot be read back, good for {code_minutes} minutes.
- **Payments**: made in Razorpay's own window. We get the payment's reference, amount and outcome.
  Razorpay also reports who paid and from which account; we take that out of its report once the
  payment is dealt with. Your card number, UPI PIN or bank password never reach us.

Stored logins of streaming services are encrypted where they lie. They are not in lists, exports
or messages.

## Who sees it

- Our operators and support people, behind a second factor. Each change that they make is
  recorded, and so is each look at a stored login. Support people can look and change nothing.
- **Razorpay**: the amount, and your phone and email address when you pay.
- **The SMS gateway**: your phone number and the text of the message.
- **The mail server**, where reminders go by email: your email address and the reminder.
- **Telegram**: our team is told there of orders and payments, with your number shortened so that
  it cannot be read.

Nobody else. There is no advertising, no tracking and no script of another company, apart from
Razorpay's on the page where you pay.

## Cookies

Three: sessionid keeps you logged in, csrftoken shows that a form was yours, and messages keeps a
sentence such as "Saved." until the next page shows it. They are needed, and they follow you
nowhere.

## Your rights

Take a copy of what we keep about you, or delete your account, by yourself:
[your data](/profile/data/). Correct name, email address and phone number in your
[profile](/profile/), and [write to us](/help/contact/) about anything else. Deleting ends every
log-in. The books stay, because the law wants them kept.

- Who is responsible: {seller}, {address}
"""

CONTACT = """
Say which order or top-up it is about: the number is on its page. Never send anybody a log-in
code. We do not ask for one, not even on the phone.

## Before you write

- Money not in the wallet yet? It is credited by itself, as a rule within minutes.
- Waiting for a login? The order's page says how far it is. Your days have not started.
- Login does not work? Your plan's page may show a new one already.

The answers to most questions are among the [questions and answers](/help/faq/).

## Who we are

- {seller}
- {address}
- GSTIN {gstin}
"""

# In the order in which they are listed.
SHIPPED = {
    "faq": ShippedPage("Questions and answers", FAQ.strip()),
    "refunds": ShippedPage("Delivery and refunds", REFUNDS.strip()),
    "terms": ShippedPage("Terms", TERMS.strip()),
    "privacy": ShippedPage("Privacy", PRIVACY.strip()),
    "contact": ShippedPage("Contact", CONTACT.strip()),
}
