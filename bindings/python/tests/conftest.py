import pytest

numpy = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
hypothesis = pytest.importorskip("hypothesis")

torch.set_num_threads(1)
# The same examples in every run: a test that fails, fails for everybody.
hypothesis.settings.register_profile("vloss", derandomize=True, deadline=None, max_examples=40, database=None,
                                     suppress_health_check=list(hypothesis.HealthCheck))  # fmt: skip
hypothesis.settings.load_profile("vloss")
