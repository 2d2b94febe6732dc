"""A local stand-in for Razorpay: its HTTP API, Checkout and web hooks, without any money.

It runs as a process of its own and needs the standard library only, so the shop talks to it
exactly as it talks to Razorpay. It must never run in production; it refuses to start there.
"""
