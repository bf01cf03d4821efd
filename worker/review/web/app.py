"""The application: its parts put together, and what happens when something is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import FastAPI, Request
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from schemas.review_settings import ReviewSettings
from worker.review import sessions
from worker.review.database import Database
from worker.review.errors import Contradiction, NotAllowed, ReviewError, Stale
from worker.review.web import entering, labelling, lookup
from worker.review.web.guard import Guard, Limits, LoggedOut, wants_json
from worker.review.web.page import FOLDER, Page, environment, page_of

_STATUS: dict[type[ReviewError], int] = {Stale: 409, Contradiction: 422, NotAllowed: 403}


def create_app(
    database: Database,
    settings: ReviewSettings,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    state: Callable[[], str] = lambda: "",
) -> FastAPI:
    """The page over a database. `state` says how the reading of the topics stands; empty: all is well."""
    # No interactive documentation: it loads scripts from elsewhere, and tells strangers what there is.
    app = FastAPI(title="SameSKU review", docs_url=None, redoc_url=None, openapi_url=None)
    with database.write() as connection:
        keys = sessions.keys(connection)
    app.state.page = Page(database, settings, clock, keys, Limits(settings), environment(), state)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    for module in (entering, labelling, lookup):
        app.include_router(module.router)
    app.add_exception_handler(LoggedOut, _logged_out)
    app.add_exception_handler(ReviewError, _refused)
    app.add_exception_handler(StarletteHTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(Guard, settings=settings)

    @app.get("/healthz")
    def healthz() -> PlainTextResponse:
        """For a load balancer; says nothing but that we are here."""
        return PlainTextResponse("ok\n")

    return app


def _logged_out(request: Request, error: Exception) -> Response:
    if wants_json(request):
        return JSONResponse({"error": "you are logged out"}, 401)
    if request.method != "GET":
        return PlainTextResponse("you are logged out\n", 401)
    return RedirectResponse("/login", 303)


def _refused(request: Request, error: Exception) -> Response:
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400)
    return _told(request, status, str(error))


def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException | StarletteHTTPException):
        raise error
    answer = _told(request, error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _invalid(request: Request, error: Exception) -> Response:
    # What was sent stays out of the answer.
    fields = error.errors() if isinstance(error, RequestValidationError) else []
    names = sorted({str(field["loc"][-1]) for field in fields})
    return _told(request, 422, f"not understood: {', '.join(names)}")


def _told(request: Request, status: int, text: str) -> Response:
    if wants_json(request):
        return JSONResponse({"error": text}, status)
    return page_of(request).html("told", None, status, text=text)
