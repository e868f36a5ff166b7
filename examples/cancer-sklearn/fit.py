"""Is it malignant? Gradient boosting on scikit-learn's breast-cancer data, scored by cross-validated accuracy."""

import argparse

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score


def main(seed: int) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    model = GradientBoostingClassifier(
        n_estimators=30,
        learning_rate=0.05,
        max_depth=2,
        subsample=1.0,
        min_samples_leaf=1,
        random_state=seed,
    )
    folds = StratifiedKFold(n_splits=3, shuffle=True, random_state=seed)
    scores = cross_val_score(model, X, y, cv=folds)
    for i, score in enumerate(scores):
        print(f"fold {i}: {score:.4f}")
    print(f"accuracy: {np.mean(scores):.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random-state", type=int, default=0)
    main(parser.parse_args().random_state)
