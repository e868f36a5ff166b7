"""Is it malignant? Gradient boosting on scikit-learn's breast-cancer data, scored by cross-validated accuracy."""

import argparse

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score


def main(seed: int) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    model = HistGradientBoostingClassifier(
        learning_rate=0.02,
        max_iter=60,
        max_leaf_nodes=8,
        min_samples_leaf=20,
        l2_regularization=0.0,
        random_state=seed,
    )
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=seed)
    scores = cross_val_score(model, X, y, cv=folds)
    for i, score in enumerate(scores):
        print(f"fold {i}: {score:.4f}")
    print(f"accuracy: {np.mean(scores):.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random-state", type=int, default=0)
    main(parser.parse_args().random_state)
