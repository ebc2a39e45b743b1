import json

import numpy as np
import pytest

from trainables.params import CnnParams, ParamsError, Pix2PixParams, params_of


def test_the_names_of_the_search_space_are_taken_with_numpys_numbers() -> None:
    params = Pix2PixParams.from_mapping(
        {"lambda": np.float64(80), "depth": np.int64(4), "learning_rate_decay": np.True_}
    )
    assert params == Pix2PixParams(lambda_=80.0, depth=4, learning_rate_decay=True)


def test_a_whole_number_does_for_a_fraction() -> None:
    assert CnnParams.from_mapping({"dropout": 0}) == CnnParams(dropout=0.0)


@pytest.mark.parametrize(
    "params", [CnnParams(depth=5, head="chroma"), Pix2PixParams(lambda_=1.5, perceptual_weight=3.0)]
)
def test_parameters_come_back_from_json(params: CnnParams | Pix2PixParams) -> None:
    assert params_of(params.model, json.loads(json.dumps(params.to_mapping()))) == params


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lambda": -1.0}, "lambda is -1.0, but must be a finite number of 0 or more"),
        ({"lambda": float("nan")}, "lambda is nan"),
        ({"perceptual_weight": -1.0}, "perceptual_weight is -1.0, but must be a finite number of 0 or more"),
        ({"perceptual_weight": float("inf")}, "perceptual_weight is inf"),
        ({"perceptual_weight": float("nan")}, "perceptual_weight is nan"),
        ({"lambda_": 1.0}, "lambda_ is no parameter of pix2pix: take one of encoder, lambda,"),
        ({"dropout": 1.0}, "dropout is 1.0, but must be at least 0 and below 1"),
        ({"width": 8.0}, "width is 8.0, but must be a whole number"),
        ({"width": True}, "width is True, but must be a whole number"),
        ({"learning_rate_decay": 1}, "learning_rate_decay is 1, but must be true or false"),
        ({"head": "lab"}, "head is lab, but must be rgb or chroma"),
        ({"encoder": "vgg"}, "encoder is vgg, but must be unet or mobilenetv2"),
        (
            {"generator_learning_rate": 0},
            "generator_learning_rate is 0.0, but must be a finite number above 0",
        ),
        ({"unfrozen_layers": 3}, "unfrozen_layers is 3, but the encoder unet has no frozen layers"),
        ({"encoder": "mobilenetv2", "depth": 3}, "depth is 3, but the encoder mobilenetv2 has its own"),
    ],
)
def test_a_bad_value_is_refused_by_name(values: dict[str, object], message: str) -> None:
    with pytest.raises(ParamsError, match=f"^{message}"):
        Pix2PixParams.from_mapping(values)


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ParamsError, match="model is 'gan', but must be cnn or pix2pix"):
        params_of("gan", {})
