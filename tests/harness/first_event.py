"""A caller who hangs up after the first event of an answer that would last."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class FirstEventOnly:
    """Cuts streams of events short, for a client that reads every answer to its end."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_stream = is_over = False

        async def send_first(message: Message) -> None:
            nonlocal is_stream, is_over
            if is_over:
                return
            if message["type"] == "http.response.start":
                is_stream = (b"content-type", b"text/event-stream; charset=utf-8") in message[
                    "headers"
                ]
            elif is_stream and message.get("body"):
                is_over = True
                # The client takes this for the end, and is gone for the service from now on.
                message = {**message, "more_body": False}
            await send(message)

        await self.app(scope, receive, send_first)
