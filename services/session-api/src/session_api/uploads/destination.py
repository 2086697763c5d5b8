"""Where observatories send their files: to the object store, or to us."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

from datalab.events.envelope import utc_now
from datalab.events.object_keys import TRIALS
from datalab.platform.logging import get_logger
from datalab.platform.objects.forms import Forms
from datalab.platform.objects.store import ObjectStore

_log = get_logger(__name__)

#: Written to find out whether the store takes forms; nothing reads it.
_TRIAL_KEY: Final = f"{TRIALS}datalab-form-trial"


class Destination:
    """Knows, from the first time it is asked, whether the object store takes forms."""

    def __init__(self, *, choice: Literal["auto", "store", "api"], forms: Forms, objects: ObjectStore) -> None:
        self._forms = forms
        self._objects = objects
        self._store_takes_forms = None if choice == "auto" else choice == "store"

    async def store_takes_forms(self) -> bool:
        """Tell whether files go to the store directly. Raises `TransientError`."""
        if self._store_takes_forms is None:
            form = self._forms.sign(_TRIAL_KEY, max_bytes=16, expires_at=utc_now() + timedelta(seconds=60))
            self._store_takes_forms = await self._objects.takes_form(form.fields)
            await self._objects.delete(_TRIAL_KEY)
            _log.info("uploads.destination", store=self._store_takes_forms)
        return self._store_takes_forms
