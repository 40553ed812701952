# Reference values for flarefree.stats: tables, ranks, means, linear models, multiplicity.
#   Rscript run.R > /dev/null        (in this folder; writes expected.csv and versions.txt)
# fisher.test and mantelhaen.test find odds ratios and limits with uniroot's loose default tolerance
# (1e-4); the conditional distributions are therefore written out here and solved to 1e-14.
options(digits = 17, warn = 1)
out <- list()
put <- function(case, ...) {
  values <- c(...)
  for (name in names(values)) out[[length(out) + 1]] <<- sprintf("%s,%s,%.17g", case, name, values[[name]])
}
parse_table <- function(text) {
  rows <- strsplit(strsplit(text, ";")[[1]], ",")
  matrix(as.numeric(unlist(rows)), nrow = length(rows), byrow = TRUE)
}
numbers <- function(text) as.numeric(strsplit(text, ",")[[1]])
lines_of <- function(file) readLines(file)[-1]

# -- conditional distributions, exactly
solve_log_odds <- function(f) uniroot(f, c(-60, 60), tol = 1e-14, maxiter = 10000)$root
conditional <- function(support, logd, x, level) {
  density <- function(t) { d <- logd + t * support; d <- exp(d - max(d)); d / sum(d) }
  lo <- min(support); hi <- max(support); alpha <- (1 - level) / 2
  est <- if (x == lo) 0 else if (x == hi) Inf else
    exp(solve_log_odds(function(t) sum(support * density(t)) - x))
  low <- if (x == lo) 0 else exp(solve_log_odds(function(t) log(sum(density(t)[support >= x])) - log(alpha)))
  high <- if (x == hi) Inf else exp(solve_log_odds(function(t) log(alpha) - log(sum(density(t)[support <= x]))))
  c(estimate = est, conf_low = low, conf_high = high)
}

# -- 2 x 2
tables <- lines_of("two_by_two.txt")
for (i in seq_along(tables)) {
  t <- parse_table(tables[i]); case <- paste0("two_by_two/", i - 1)
  put(case, p = fisher.test(t)$p.value, p_less = fisher.test(t, alternative = "less")$p.value,
      p_greater = fisher.test(t, alternative = "greater")$p.value)
  m <- sum(t[, 1]); n <- sum(t[, 2]); k <- sum(t[1, ])
  support <- max(0, k - n):min(k, m)
  if (length(support) > 1) put(case, conditional(support, dhyper(support, m, n, k, log = TRUE), t[1, 1], 0.95))
  if (all(rowSums(t) > 0) && all(colSums(t) > 0)) {
    plain <- suppressWarnings(chisq.test(t, correct = FALSE)); yates <- suppressWarnings(chisq.test(t))
    put(case, chisq = unname(plain$statistic), chisq_p = plain$p.value, yates = unname(yates$statistic),
        yates_p = yates$p.value)
  }
  for (row in 1:2) {
    b <- binom.test(t[row, 1], sum(t[row, ])); w <- suppressWarnings(prop.test(t[row, 1], sum(t[row, ]), correct = FALSE))
    wc <- suppressWarnings(prop.test(t[row, 1], sum(t[row, ]), correct = TRUE))
    v <- c(b$conf.int, w$conf.int, wc$conf.int, b$p.value)
    names(v) <- paste0(c("cp_low", "cp_high", "wilson_low", "wilson_high", "wilsoncc_low", "wilsoncc_high", "binom_p"), row)
    put(case, v)
  }
  if (all(t > 0)) {
    g <- glm(t ~ factor(1:2, levels = 2:1), family = binomial, control = list(epsilon = 1e-15, maxit = 100))
    b <- summary(g)$coefficients[2, ]
    put(case, or = exp(b[[1]]), or_se = b[[2]], or_low = exp(b[[1]] - qnorm(.975) * b[[2]]), or_p = b[[4]])
  }
  d <- suppressWarnings(prop.test(t, correct = FALSE)); dc <- suppressWarnings(prop.test(t, correct = TRUE))
  put(case, wald_low = d$conf.int[1], wald_high = d$conf.int[2], waldcc_low = dc$conf.int[1])
}

# -- larger
tables <- lines_of("larger.txt")
for (i in seq_along(tables)) {
  t <- parse_table(tables[i]); case <- paste0("larger/", i - 1)
  put(case, p = fisher.test(t, workspace = 2e8)$p.value)
  x <- suppressWarnings(chisq.test(t)); put(case, chisq = unname(x$statistic), chisq_p = x$p.value)
}

# -- strata
sets <- lines_of("strata.txt")
for (i in seq_along(sets)) {
  ts <- lapply(strsplit(sets[i], "|", fixed = TRUE)[[1]], parse_table)
  a <- array(unlist(ts), c(2, 2, length(ts))); case <- paste0("strata/", i - 1)
  for (correct in c(TRUE, FALSE)) {
    m <- mantelhaen.test(a, correct = correct)
    v <- c(m$statistic, m$p.value, m$estimate, m$conf.int,
           mantelhaen.test(a, correct = correct, alternative = "greater")$p.value)
    names(v) <- paste0(c("statistic", "p", "estimate", "conf_low", "conf_high", "p_greater"), if (correct) "_corrected" else "")
    put(case, v)
  }
  e <- mantelhaen.test(a, exact = TRUE)
  put(case, exact_p = e$p.value, exact_p_less = mantelhaen.test(a, exact = TRUE, alternative = "less")$p.value)
  d <- 1; lo <- 0
  for (t in ts) {
    m <- sum(t[, 1]); n <- sum(t[, 2]); k <- sum(t[1, ]); s <- max(0, k - n):min(k, m)
    one <- dhyper(s, m, n, k); lo <- lo + min(s)
    new <- numeric(length(d) + length(one) - 1)
    for (j in seq_along(d)) new[j - 1 + seq_along(one)] <- new[j - 1 + seq_along(one)] + d[j] * one
    d <- new
  }
  v <- conditional(lo + seq_along(d) - 1, log(d), sum(a[1, 1, ]), 0.95); names(v) <- paste0("exact_", names(v))
  put(case, v)
}
sets <- lines_of("larger_strata.txt")
for (i in seq_along(sets)) {
  ts <- lapply(strsplit(sets[i], "|", fixed = TRUE)[[1]], parse_table)
  a <- array(unlist(ts), c(dim(ts[[1]]), length(ts)))
  m <- mantelhaen.test(a); put(paste0("larger_strata/", i - 1), statistic = unname(m$statistic), df = unname(m$parameter), p = m$p.value)
}

# -- two samples
sets <- strsplit(lines_of("two_samples.txt"), " ")
for (i in seq_along(sets)) {
  x <- numbers(sets[[i]][1]); y <- numbers(sets[[i]][2]); case <- paste0("two_samples/", i - 1)
  for (equal in c(TRUE, FALSE)) for (alt in c("two.sided", "less", "greater")) {
    t <- t.test(x, y, var.equal = equal, alternative = alt)
    v <- c(t$statistic, t$parameter, t$p.value, t$conf.int, t$stderr)
    names(v) <- paste(c("t", "df", "p", "low", "high", "se"), if (equal) "student" else "welch", alt, sep = "_")
    put(case, v)
  }
  for (correct in c(TRUE, FALSE)) for (alt in c("two.sided", "less", "greater")) {
    w <- suppressWarnings(wilcox.test(x, y, correct = correct, alternative = alt, conf.int = TRUE, tol.root = 1e-13))
    v <- c(w$statistic, w$p.value, w$conf.int, w$estimate)
    names(v) <- paste(c("W", "p", "low", "high", "estimate"), if (correct) "correct" else "plain", alt, sep = "_")
    put(paste0("wilcoxon/", i - 1), v)
  }
}
sets <- strsplit(lines_of("pairs.txt"), " ")
for (i in seq_along(sets)) {
  x <- numbers(sets[[i]][1]); y <- numbers(sets[[i]][2]); case <- paste0("pairs/", i - 1)
  t <- t.test(x, y, paired = TRUE); put(case, t = unname(t$statistic), p = t$p.value, low = t$conf.int[1], high = t$conf.int[2])
  for (alt in c("two.sided", "less", "greater")) {
    w <- suppressWarnings(wilcox.test(x, y, paired = TRUE, alternative = alt, conf.int = TRUE, tol.root = 1e-13))
    v <- c(w$statistic, w$p.value, w$conf.int, w$estimate)
    names(v) <- paste(c("V", "p", "low", "high", "estimate"), alt, sep = "_"); put(case, v)
  }
}
sets <- lines_of("groups.txt")
for (i in seq_along(sets)) {
  g <- lapply(strsplit(sets[i], "|", fixed = TRUE)[[1]], numbers); case <- paste0("groups/", i - 1)
  y <- unlist(g); f <- factor(rep(seq_along(g), lengths(g)))
  o <- oneway.test(y ~ f, var.equal = TRUE); w <- oneway.test(y ~ f); k <- kruskal.test(y, f)
  put(case, f = unname(o$statistic), p = o$p.value, welch = unname(w$statistic), welch_df = unname(w$parameter[2]),
      welch_p = w$p.value, kruskal = unname(k$statistic), kruskal_p = k$p.value)
}

# -- linear models
suppressMessages({ library(emmeans); library(car) })
d <- read.csv("trial.csv"); for (v in c("arm", "site", "sex")) d[[v]] <- factor(d[[v]])
models <- list(
  ancova = list("y ~ arm + site + base", NULL), interaction = list("y ~ arm * sex + base + site", NULL),
  weighted = list("y ~ arm + site + base", "weight"), dose = list("y ~ dose + site + base", NULL),
  slopes = list("y ~ arm * base", NULL), nested = list("y ~ arm:base + site", NULL), none = list("y ~ arm + base - 1", NULL),
  logs = list("y ~ arm + log(base)", NULL))
for (name in names(models)) {
  f <- as.formula(models[[name]][[1]]); w <- if (is.null(models[[name]][[2]])) rep(1, nrow(d)) else d[[models[[name]][[2]]]]
  d$w <- w; fit <- lm(f, d, weights = w); s <- summary(fit); case <- paste0("linear/", name)
  ci <- confint(fit)
  for (term in rownames(s$coefficients)) {
    v <- c(s$coefficients[term, ], ci[term, ]); names(v) <- paste0(term, "|", c("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"))
    put(case, v)
  }
  put(case, sigma = s$sigma, r_squared = s$r.squared, adj_r_squared = s$adj.r.squared, statistic = unname(s$fstatistic[1]),
      log_lik = as.numeric(logLik(fit)), aic = AIC(fit), bic = BIC(fit))
  if (name != "nested" && name != "none") {
    contrasts <- sapply(names(fit$contrasts), function(x) "contr.sum", simplify = FALSE)
    sums <- lm(f, d, weights = w, contrasts = contrasts)
    three <- Anova(sums, type = 3); two <- Anova(fit, type = 2); one <- anova(fit)
    for (term in attr(terms(f), "term.labels")) {
      put(case, setNames(c(three[term, "F value"], three[term, "Pr(>F)"], two[term, "F value"], one[term, "F value"]),
          paste0(term, "|", c("F3", "p3", "F2", "F1"))))
    }
  }
  if (name %in% c("ancova", "interaction", "weighted", "slopes", "logs", "none")) {
    for (weights in c("equal", "proportional")) {
      # log(base) is one covariate: its mean is taken before the log, as emmeans does by default
      e <- emmeans(fit, "arm", weights = weights); m <- summary(e, infer = TRUE)
      for (j in seq_len(nrow(m))) put(case, setNames(unlist(m[j, c("emmean", "SE", "lower.CL", "upper.CL")]),
          paste0("mean|", weights, "|", m$arm[j], "|", c("estimate", "std_error", "conf_low", "conf_high"))))
      p <- summary(contrast(e, "trt.vs.ctrl", ref = "AZA", adjust = "none"), infer = TRUE)
      for (j in seq_len(nrow(p))) put(case, setNames(unlist(p[j, c("estimate", "SE", "lower.CL", "upper.CL", "p.value")]),
          paste0("difference|", weights, "|", p$contrast[j], "|", c("estimate", "std_error", "conf_low", "conf_high", "p_value"))))
    }
  }
}
e <- summary(emmeans(lm(y ~ arm * base, d), "arm", at = list(base = 2)))
for (j in 1:3) put("linear/slopes", setNames(e$emmean[j], paste0("at2|", e$arm[j])))

# -- multiplicity
ps <- list(c(.01, .02, .03, .5, .02), c(.001, .001, .2), c(.04, .04, .04), c(.5), c(.011, .012, .013, .014, .9, .8, .049))
for (i in seq_along(ps)) for (m in c("bonferroni", "holm", "hochberg", "hommel"))
  put(paste0("adjust/", i - 1), setNames(p.adjust(ps[[i]], m), paste0(m, "|", seq_along(ps[[i]]) - 1)))

writeLines(c("case,quantity,value", unlist(out)), "expected.csv")
writeLines(c(R.version.string, paste("emmeans", packageVersion("emmeans")), paste("car", packageVersion("car"))), "versions.txt")
