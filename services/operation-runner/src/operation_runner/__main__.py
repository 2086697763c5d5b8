"""`python -m operation_runner`."""

# ruff: noqa: PLC0415 - computing processes import this module too, and need nothing of it


def main() -> None:
    from datalab.platform.service import run_service, settings_from_environment
    from operation_runner import SERVICE
    from operation_runner.main import create_app
    from operation_runner.settings import OperationRunnerSettings

    settings = settings_from_environment(OperationRunnerSettings)
    run_service(create_app(settings), settings=settings, service=SERVICE)


if __name__ == "__main__":
    main()
