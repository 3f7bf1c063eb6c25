"""What is served under the name of the contract is what the contract says."""

from nexusrpc import get_service_definition
from temporalio.common import RawValue

from starter.nexus_service import ManxueService
from workflows.nexus_contract import GENERATE, PROGRESS, RESOLVE, SERVICE, Manxue


def test_the_handlers_serve_the_contract_and_take_any_json() -> None:
    contract, served = get_service_definition(Manxue), get_service_definition(ManxueService)
    assert contract
    assert served
    assert contract.name == served.name == SERVICE
    assert set(contract.operation_definitions) == set(served.operation_definitions) == {GENERATE, PROGRESS, RESOLVE}
    assert all(operation.input_type is RawValue for operation in served.operation_definitions.values())
