# Mixed models for repeated measures, done the long way in base R, for comparison.
# Run in this folder: Rscript mmrm_naive.R > mmrm_naive.json   (needs jsonlite, numDeriv, nlme, lmerTest)
#
# Every quantity follows its definition with numerical (Richardson) derivatives; nothing is shared with
# the package's own code.  theta is parametrized as in R's mmrm (covariance vignette).  nlme::gls,
# glmmTMB-free, and lmerTest give second opinions where they know the structure.
suppressMessages({library(jsonlite); library(numDeriv); library(nlme); library(lmerTest)})
trial <- read.csv("trial.csv", stringsAsFactors = TRUE)
trial$subject <- factor(trial$subject)
form <- change ~ baseline + center + arm * visit
X <- model.matrix(form, trial); y <- trial$change
v <- as.integer(trial$visit); m <- nlevels(trial$visit)
rows_of <- split(seq_along(y), trial$subject)

to_rho <- function(t) t / sqrt(1 + t^2)
lag <- abs(outer(1:m, 1:m, "-"))
sigma_of <- list(
  us = function(t) { L <- diag(m); for (i in 2:m) L[i, 1:(i - 1)] <- t[m + (i - 1) * (i - 2) / 2 + 1:(i - 1)]
                     L <- diag(exp(t[1:m])) %*% L; L %*% t(L) },
  toep = function(t) exp(2 * t[1]) * matrix(c(1, to_rho(t[-1]))[lag + 1], m),
  toeph = function(t) { s <- exp(t[1:m]); outer(s, s) * matrix(c(1, to_rho(t[-(1:m)]))[lag + 1], m) },
  ar1 = function(t) exp(2 * t[1]) * to_rho(t[2])^lag,
  ar1h = function(t) { s <- exp(t[1:m]); outer(s, s) * to_rho(t[m + 1])^lag },
  cs = function(t) { a <- 1 / (m - 1); r <- plogis(t[2]) * (1 + a) - a; exp(2 * t[1]) * (r + (1 - r) * diag(m)) },
  csh = function(t) { a <- 1 / (m - 1); r <- plogis(t[m + 1]) * (1 + a) - a
                      s <- exp(t[1:m]); outer(s, s) * (r + (1 - r) * diag(m)) })
n_theta <- c(us = m * (m + 1) / 2, toep = m, toeph = 2 * m - 1, ar1 = 2, ar1h = m + 1, cs = 2, csh = m + 1)

fit_one <- function(type, reml, grouped = FALSE) {
  sig <- sigma_of[[type]]; k1 <- n_theta[[type]]
  group <- if (grouped) sapply(rows_of, function(r) as.integer(trial$arm[r[1]])) else rep(1L, length(rows_of))
  part <- function(t, g) t[(g - 1) * k1 + 1:k1]
  k <- k1 * max(group)
  pieces <- function(t) {
    A <- 0; b <- 0; ld <- 0
    S <- lapply(1:max(group), function(g) sig(part(t, g)))
    for (i in seq_along(rows_of)) {
      r <- rows_of[[i]]; V <- S[[group[i]]][v[r], v[r], drop = FALSE]
      ld <- ld + as.numeric(determinant(V)$modulus); Vi <- solve(V)
      A <- A + t(X[r, , drop = FALSE]) %*% Vi %*% X[r, , drop = FALSE]
      b <- b + t(X[r, , drop = FALSE]) %*% Vi %*% y[r]
    }
    list(A = A, b = b, ld = ld, S = S)
  }
  deviance <- function(t) {
    p <- pieces(t); if (any(!is.finite(p$A))) return(1e10)
    beta <- solve(p$A, p$b); rss <- 0
    for (i in seq_along(rows_of)) {
      r <- rows_of[[i]]; e <- y[r] - X[r, , drop = FALSE] %*% beta
      rss <- rss + t(e) %*% solve(p$S[[group[i]]][v[r], v[r], drop = FALSE], e)
    }
    d <- p$ld + as.numeric(rss) + (length(y) - reml * ncol(X)) * log(2 * pi)
    if (reml) d <- d + as.numeric(determinant(p$A)$modulus)
    d
  }
  safe <- function(t) tryCatch({ for (g in 1:max(group)) chol(sig(part(t, g))); deviance(t) }, error = function(e) 1e10)
  start <- rep(0, k); if (type %in% c("cs", "csh")) start[] <- 0
  at <- nlminb(start, safe, control = list(iter.max = 2000, eval.max = 4000, rel.tol = 1e-14))$par
  for (i in 1:4) at <- at - solve(hessian(safe, at), grad(safe, at))   # Newton, to the last digits
  W <- 2 * solve(hessian(safe, at))
  p <- pieces(at); Phi <- solve(p$A); beta <- drop(Phi %*% p$b); q <- ncol(X)
  information <- function(t) as.vector(pieces(t)$A)
  P <- array(jacobian(information, at), c(q, q, k))
  slopes <- apply(P, 3, function(Ph) diag(Phi %*% Ph %*% Phi))
  df <- 2 * diag(Phi)^2 / rowSums((slopes %*% W) * slopes)
  result <- list(structure = type, reml = reml, grouped = grouped, deviance = deviance(at), beta = beta,
    se = sqrt(diag(Phi)), df = df, sigma = lapply(p$S, function(s) s))
  if (reml) {
    adjust <- function(linear) {
      inner <- matrix(0, q, q)
      for (g in 1:max(group)) {
        mine <- (g - 1) * k1 + 1:k1; t_g <- at[mine]
        d1 <- array(jacobian(function(t) as.vector(sig(t)), t_g), c(m, m, k1))
        d2 <- array(0, c(m, m, k1, k1))
        for (a in 1:m) for (b in 1:m) d2[a, b, , ] <- hessian(function(t) sig(t)[a, b], t_g)
        for (i in which(group == g)) {
          r <- rows_of[[i]]; Vi <- solve(p$S[[g]][v[r], v[r], drop = FALSE]); Xi <- X[r, , drop = FALSE]
          for (h in 1:k1) for (j in 1:k1) {
            Sh <- matrix(d1[v[r], v[r], h], length(r)); Sj <- matrix(d1[v[r], v[r], j], length(r))
            Q <- t(Xi) %*% Vi %*% Sh %*% Vi %*% Sj %*% Vi %*% Xi
            R <- t(Xi) %*% Vi %*% matrix(d2[v[r], v[r], h, j], length(r)) %*% Vi %*% Xi
            inner <- inner + W[mine[h], mine[j]] * (Q - if (linear) 0 else R / 4)
          }
        }
      }
      for (h in 1:k) for (j in 1:k) inner <- inner - W[h, j] * P[, , h] %*% Phi %*% P[, , j]
      Phi + 2 * Phi %*% inner %*% Phi
    }
    full <- adjust(FALSE)
    result$se_kr <- sqrt(diag(full)); result$se_kr_linear <- sqrt(diag(adjust(TRUE)))
    # F test of the arm-by-visit interaction, Kenward and Roger (1997)
    C <- diag(q)[grep(":", colnames(X)), ]; l <- nrow(C)
    M <- t(C) %*% solve(C %*% Phi %*% t(C)) %*% C
    A1 <- 0; A2 <- 0
    for (h in 1:k) for (j in 1:k) {
      a <- M %*% Phi %*% P[, , h] %*% Phi; b <- M %*% Phi %*% P[, , j] %*% Phi
      A1 <- A1 + W[h, j] * sum(diag(a)) * sum(diag(b)); A2 <- A2 + W[h, j] * sum(diag(a %*% b))
    }
    B <- (A1 + 6 * A2) / (2 * l); g <- ((l + 1) * A1 - (l + 4) * A2) / ((l + 2) * A2)
    d <- 3 * l + 2 * (1 - g); c1 <- g / d; c2 <- (l - g) / d; c3 <- (l + 2 - g) / d
    E <- 1 / (1 - A2 / l); V <- 2 / l * (1 + c1 * B) / ((1 - c2 * B)^2 * (1 - c3 * B))
    rho <- V / (2 * E^2); den <- 4 + (l + 2) / (l * rho - 1); lambda <- den / (E * (den - 2))
    Fs <- lambda / l * t(C %*% beta) %*% solve(C %*% full %*% t(C)) %*% (C %*% beta)
    result$f_kr <- as.numeric(Fs); result$f_kr_df <- den
  }
  result
}

fits <- list()
for (type in names(sigma_of)) for (reml in c(TRUE, FALSE)) fits[[length(fits) + 1]] <- fit_one(type, reml)
for (type in c("us", "ar1h", "cs")) fits[[length(fits) + 1]] <- fit_one(type, TRUE, TRUE)

tight <- glsControl(maxIter = 500, msMaxIter = 2000, tolerance = 1e-12, msTol = 1e-14, opt = "nlminb")
second <- function(correlation, weights, method)
  { g <- gls(form, trial, correlation = correlation, weights = weights, method = method, control = tight)
    list(deviance = -2 * as.numeric(logLik(g)), beta = unname(coef(g)), se = unname(sqrt(diag(vcov(g))))) }
one <- varIdent(form = ~ 1 | visit)
index <- ~ as.integer(visit) | subject
gls_fits <- list(
  us_reml = second(corSymm(form = index), one, "REML"), us_ml = second(corSymm(form = index), one, "ML"),
  ar1_reml = second(corAR1(form = index), NULL, "REML"), ar1h_reml = second(corAR1(form = index), one, "REML"),
  cs_reml = second(corCompSymm(form = ~ 1 | subject), NULL, "REML"),
  csh_reml = second(corCompSymm(form = ~ 1 | subject), one, "REML"))
lt <- lmer(update(form, . ~ . + (1 | subject)), trial, control = lmerControl(optCtrl = list(ftol_abs = 1e-14, xtol_abs = 1e-10)))
lmer_cs <- list(beta = unname(fixef(lt)), df = unname(summary(lt)$coefficients[, "df"]), se = unname(summary(lt)$coefficients[, "Std. Error"]))

cat(toJSON(list(program = "tests/reference/mixed/mmrm_naive.R", R = R.version.string,
  versions = sapply(c("nlme", "lmerTest", "numDeriv"), function(p) as.character(packageVersion(p))),
  terms = colnames(X), fits = fits, gls = gls_fits, lmerTest_cs = lmer_cs), digits = NA, auto_unbox = TRUE, pretty = TRUE))
