"""Runs in the clients' environment: TOM Toolkit's LCO and OCS facilities, pointed at us by Django settings alone.

The archive is all they ask for data products; no portal is there. The last line is JSON: what each found and saved.
"""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

import django
from django.conf import settings
from tom_common import default_settings

ORIGIN, REQUEST = sys.argv[1], int(sys.argv[2])
FACILITY = {"portal_url": "http://127.0.0.1:9/", "archive_url": ORIGIN, "api_key": os.environ["ARCHIVE_PASSWORD"]}
MEDIA = tempfile.mkdtemp(prefix="datalab-tom-")

settings.configure(
    SECRET_KEY="nobody's",
    SITE_ID=1,
    USE_TZ=True,
    ROOT_URLCONF="tom_common.urls",
    MEDIA_ROOT=MEDIA,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=default_settings.TOMTOOLKIT_INSTALLED_APPS,
    MIDDLEWARE=default_settings.TOMTOOLKIT_MIDDLEWARE,
    TASKS={"default": {"BACKEND": "django_tasks.backends.immediate.ImmediateBackend"}},
    TARGET_TYPE="SIDEREAL",
    EXTRA_FIELDS=[],
    HOOKS={},
    DATA_PROCESSORS={},
    DATA_PRODUCT_TYPES={"fits_file": ("fits_file", "FITS File")},
    TOM_FACILITY_CLASSES=["tom_observations.facilities.lco.LCOFacility", "tom_observations.facilities.ocs.OCSFacility"],
    FACILITIES={"LCO": FACILITY, "OCS": FACILITY},
    AUTHENTICATION_BACKENDS=("django.contrib.auth.backends.ModelBackend", "guardian.backends.ObjectPermissionBackend"),
)
django.setup()

from django.core.management import call_command  # noqa: E402 - only once Django is set up
from tom_dataproducts.models import DataProduct  # noqa: E402
from tom_observations.facilities.lco import LCOFacility  # noqa: E402
from tom_observations.facilities.ocs import OCSFacility  # noqa: E402
from tom_observations.models import ObservationRecord  # noqa: E402
from tom_targets.models import Target  # noqa: E402

call_command("migrate", verbosity=0, interactive=False)
target = Target.objects.create(name="Simulated field", type="SIDEREAL", ra=10.0, dec=-20.0)
said = {}
for name, facility in (("LCO", LCOFacility()), ("OCS", OCSFacility())):
    record = ObservationRecord.objects.create(
        target=target, facility=name, observation_id=str(REQUEST), parameters={}, status="COMPLETED"
    )
    listed = facility.data_products(REQUEST)
    facility.save_data_products(record)
    one = facility.data_products(REQUEST, product_id=listed[0]["id"])
    products = list(DataProduct.objects.filter(observation_record=record))
    said[name] = {
        "listed": sorted(each["filename"] for each in listed),
        "created": [each["created"].isoformat() for each in listed],
        "one": [each["filename"] for each in one],
        "saved": {Path(each.data.name).name: hashlib.md5(each.data.read()).hexdigest() for each in products},
    }
    DataProduct.objects.all().delete()  # the next facility finds the same products
print(json.dumps(said))
